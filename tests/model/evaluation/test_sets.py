from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.sets import (
    AnswerRow,
    DataError,
    PIISpan,
    RankingRow,
    kind_of,
    read_answers,
    read_moderation,
    read_pii,
    read_rankings,
    read_sentences,
)

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def _file(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_answers_with_evidence_by_tab(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "ASIN\tquestion\tcandidate\tanswer\tsource\n"
        "B1\tdoes it fold?\tis_foldable:  { value:true }\tyes,  it folds.\tattribute\n"
        "B2\tis it heavy?\t\tno.\treview\n",
    )
    assert kind_of(path) == "hetpqa"
    row = AnswerRow("does it fold?", "is foldable: yes", "yes, it folds.", 2, "B1", "attribute")
    assert read_answers(path) == [row]


def test_answers_with_labels_by_comma(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "qid,question,ASIN,candidate,source,qa_pair_id,title,label,answer\n"
        '7,"big, or small?",B1,it is big.,review,1,A box,0,\n',
    )
    assert kind_of(path) == "epqa"
    assert read_answers(path) == [AnswerRow("big, or small?", "it is big.", "", 0, "7", "review")]


def test_a_wrong_label_names_file_line_field_and_mend(tmp_path: Path) -> None:
    head = "qid,question,ASIN,candidate,source,qa_pair_id,title,label,answer\n"
    path = _file(tmp_path, head + "7,big?,B1,yes,review,1,A box,2,yes\n7,big?,B1,no,review,1,A box,high,no\n")
    with pytest.raises(DataError, match=r"rows\.csv:3: field 'label' is 'high'; expected 0, 1, 2"):
        read_answers(path)


def test_a_row_with_too_many_fields(tmp_path: Path) -> None:
    path = _file(tmp_path, "data,text\nsize: { value:1 },one,two\n")
    with pytest.raises(DataError, match=r"rows\.csv:2: 3 fields, the header has 2; quote"):
        read_sentences(path)


def test_an_unknown_header_lists_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns are one, two.*expected.*TEXT, label \(cold\)"):
        kind_of(_file(tmp_path, "one,two\n1,2\n"))


def test_another_kind_than_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is of the kind cold; expected hetpqa"):
        read_answers(_file(tmp_path, ",split,topic,label,TEXT\n1,dev,race,1,某句\n"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; name one with --data"):
        read_answers(tmp_path / "none.csv")


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("data,text\nsize,gro\u00df\n".encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8"):
        kind_of(path)


def test_sentences_leave_out_what_says_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, "data\ttext\nsize: { value:9 }\tIt is size 9.\nlanguage: { type:manual }\tna\n")
    assert read_sentences(path) == [("size: 9", "It is size 9.")]


def test_rankings(tmp_path: Path) -> None:
    path = _file(tmp_path, "qid\tqa_pair_id\tquestion\tcandidate\tlabel\n3\t1\tbig?\tsize: { value:9 }\t1\n")
    assert read_rankings(path) == [RankingRow("3", "big?", "size: 9", True)]


def test_moderation_in_both_languages(tmp_path: Path) -> None:
    cold = _file(tmp_path, "\ufeff,split,topic,label,TEXT\n1,dev,race,0,你好\n", "cold.csv")
    davidson = _file(
        tmp_path,
        ",count,hate_speech,offensive_language,neither,class,tweet\n1,3,0,3,0,1,bad words\n2,3,0,0,3,2,nice words\n",
        "davidson.csv",
    )
    assert [(row.abusive, row.language) for row in read_moderation(cold)] == [(False, "zh")]
    assert [(row.label, row.abusive, row.language) for row in read_moderation(davidson)] == [
        (1, True, "en"),
        (2, False, "en"),
    ]


def test_personal_data(tmp_path: Path) -> None:
    text = (
        '[{"full_text": "mail a@b.co", "spans": [{"entity_type": "EMAIL_ADDRESS", "entity_value": "a@b.co", '
        '"start_position": 5, "end_position": 11}]}]'
    )
    (row,) = read_pii(_file(tmp_path, text, "rows.json"))
    assert row.spans == (PIISpan("EMAIL_ADDRESS", 5, 11),)


def test_personal_data_without_its_spans(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"item 1: KeyError\('spans'\); expected full_text"):
        read_pii(_file(tmp_path, '[{"full_text": "hello"}]', "rows.json"))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data sets in {DATA}")
def test_the_public_sets_have_their_stated_sizes() -> None:
    cpqa = DATA / "cpqa"
    assert len(read_answers(cpqa / "hetPQA_answer_generation_dev.csv")) == 398
    assert len(read_answers(cpqa / "ePQA_dev_half.csv")) == 4949  # 4,950 rows, one without a candidate
    assert len(read_rankings(cpqa / "hetPQA_evidence_ranking_dev.csv")) == 2731
    assert not [row for row in read_answers(cpqa / "ePQA_dev_half.csv") if "{ value:" in row.evidence]
