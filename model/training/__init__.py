"""What training is made of: examples from the public sets and a merchant's own answers, batches, the model card.

The loop itself is `model.train`, the adapters are `model.lora`. Nothing here is needed to serve a model.
"""
