"""The forms of personal data, as regular expressions over text whose full-width characters are made ASCII.

Where a pattern has a group, only the group is personal; what stands around it gives it away. Kinds are in order of
precedence.
"""

from __future__ import annotations

import re

_D = r"(?<!\d)(?<!\d[.,])"  # a number begins here
_E = r"(?![\d]|[.,]\d)"  # and ends here
# Units after a number: it is a measure, whatever its form.
_NO_UNIT = (
    r"(?!\s*(?:(?:mm|cm|m|km|in|inch|inches|ft|kg|g|mg|ml|l|lbs?|oz|w|v|mah|hz|mhz|x|pcs|pieces)\b"
    r"|[×%]|毫米|厘米|米|克|个|件))"
)
_HAN = r"[\u4e00-\u9fff]"

_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA"
    "|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
# Road words that are nothing else, and those that also name a drive, a square or a way to use a thing.
_ROAD = r"(?:Street|Avenue|Boulevard|Lane|Road|Parkway|Highway|Crescent|Terrace|(?:St|Ave|Blvd|Ln|Rd|Pkwy|Hwy)\b\.?)"
_WEAK_ROAD = r"(?:Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Way|Close|Circle|Cir|Trail|Loop|Row|Walk)"
_NO_PART = r"(?!(?:Inch|In|Mm|Cm|Wheel|Way|Volt|Speed|Piece|Pack|Hex|Volts|Watt|Gear|Foot|Ft)\b)"
_WORD = rf"(?:{_NO_PART}[A-Z][\w'’.\-]*|[1-9]\d?(?:st|nd|rd|th))"
_UNIT_OF_HOUSE = r"(?:,?\s*(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)\.?\s*\#?\w{1,6})"
_TAIL = (
    r"(?:,?\s+[A-Z][A-Za-z.\-]+(?:\s[A-Z][A-Za-z.\-]+){0,2})?"
    rf"(?:,?\s+(?:{_STATES})\b)?(?:,?\s+\d{{5}}(?:-\d{{4}})?\b)?"
)

_PROVINCE = (
    "北京|上海|天津|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西"
    "|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_ZH_HOUSE = (
    r"\d+(?:-\d+)?号?(?:院|弄|楼)?"
    rf"(?:{_HAN}{{0,8}}?(?:小区|花园|大厦|公寓|广场|苑|城))?"
    r"(?:\s*\d+(?:号楼|栋|幢|座|单元|楼|层|室|号|-))*\d*"
)

_SURNAME = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程"
    "魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙史陶贺毛郝顾龚邵万钱严武戴莫孔向常汤"
)
_ZH_NAME = (
    rf"(?:(?:欧阳|司马|上官|诸葛|司徒|慕容|夏侯|皇甫|公孙|令狐|尉迟|东方|端木)|[{_SURNAME}])"
    r"(?:(?![色的号码了吗呢话机款型件个属地址])[\u4e00-\u9fff]){1,2}"
)
_NOT_NAME = (
    r"(?!(?:[Ii]nterested|[Ll]ooking|[Nn]ot|[Ss]o|[Tt]he|[Aa]n?|[Ii]n|[Tt]here|[Ss]eller|[Ss]ir|[Mm]adam|[Aa]ll|[Tt]eam|[Ff]riend"
    r"|[Ww]ondering|[Hh]appy|[Ss]ure|[Ss]orry|[Aa]llergic|[Aa]ble|[Aa]fraid|[Uu]sing|[Oo]k|OK|[Ff]rom|[Gg]oing|[Tt]rying"
    r"|American|British|Canadian|Chinese|German|French|Italian|Spanish|Muslim|Christian|Jewish|Asian|European|Indian"
    r"|Australian|Irish|Japanese|Mexican|Russian|Size|Black|White|Red|Blue|Green|XX?L|XS)\b)"
)
_NAME = rf"{_NOT_NAME}[A-Z][a-zà-ÿ'’\-]+(?:\s(?:van|de|der|von|da|[A-Z]\.))*(?:\s[A-Z][A-Za-zà-ÿ'’\-]+)?"


def _compile(*patterns: str) -> tuple[re.Pattern[str], ...]:
    # ASCII: a Chinese character beside a number or a name ends it, as a space does
    return tuple(re.compile(pattern, re.ASCII) for pattern in patterns)


PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    "email": _compile(
        r"(?<![\w.+\-])[\w.+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}",
        r"(?i)(?<![\w.+\-])[\w.+\-]{1,64}\s*(?:\(at\)|\s+at\s+)\s*[a-z0-9\-]+\s*(?:\(dot\)|\s+dot\s+)\s*(?:com|net|org|edu|co|cn|de|uk)\b",
    ),
    "url": _compile(
        r"(?i)\b(?:https?://|www\.)[\w\-.~:/?#@!$&'*+,;=%]+[\w/]",
        r"(?i)(?<![\w@.\-])(?:[a-z0-9\-]+\.)+(?:com|net|org|io|shop|store|info|biz|cn|co\.uk|de|fr|ru|me)\b(?:/[\w\-./?=&%#]*)?",
    ),
    "iban": _compile(
        r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{4}){2,7}(?:[ \-]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
    ),
    "id_number": _compile(
        rf"{_D}\d{{6}}[ \-]?(?:19|20)\d{{6}}[ \-]?\d{{3}}[\dXx](?![\dA-Za-z])",
        r"(?i)\b(?:driver['’]?s?['’]? licen[cs]e|passport|national id|identity card|id card|tax id)"
        r"(?:\s*(?:number|num|no\.?|#))*\s*(?:is|:|=)?\s*#?\s*([a-z]{0,3}\d[a-z0-9]{4,16})(?![a-z0-9\]])",
        rf"{_D}(?!000|666|9\d\d)\d{{3}}-(?!00)\d{{2}}-(?!0000)\d{{4}}{_E}(?!-)",
    ),
    "card": _compile(rf"{_D}\d(?:[ \-]?\d){{12,18}}{_E}"),
    "ip": _compile(
        r"(?i)(?<!version )(?<!firmware )(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)",
        r"(?i)(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])",
    ),
    "order_number": _compile(
        rf"{_D}\d{{3}}-\d{{7}}-\d{{7}}{_E}",
        r"(?i)\b(?:order|invoice|tracking|parcel|shipment|reference|confirmation|transaction|po)\s*"
        r"(?:(?:number|num|no\.?|nr\.?|id|code|#)\s*)+(?:is|was|:|=)?\s*#?\s*([a-z0-9][a-z0-9\-]{2,24})(?![a-z0-9\]])",
        r"(?i)\border\s*(?:is|was|:)?\s+([a-z]{0,4}-?\d{6,}[\d\-]*|[a-z]{0,4}\d{3,}-\d{3}[\d\-]*)(?![a-z0-9])",
        r"(?i)(?:订单|单号|快递单|运单|物流)(?:编号|号码|号)?\s*(?:是|为|:)?\s*#?\s*([a-z]{0,4}\d[a-z0-9\-]{4,24})",
    ),
    "phone": _compile(
        # Chinese mobile and landline
        rf"(?<![\w.])(?:(?:\+|00)?86[\s\-]?)?1[\s\-]?[3-9](?:[\s\-]?\d){{9}}{_E}{_NO_UNIT}",
        rf"(?<![\d.])(?:0\d{{2,3}}[\s\-]\d{{7,8}}|400[\s\-]?\d{{3}}[\s\-]?\d{{4}}){_E}",
        # international, North American, and national numbers that begin with 0
        rf"(?<![\w.])(?:\+|00)\s?[1-9]\d{{0,2}}(?:[\s.\-]?\(?\d{{1,5}}\)?){{2,6}}(?:\s?(?:x|ext\.?)\s?\d{{1,6}})?{_E}{_NO_UNIT}",
        rf"(?<![\w.\-/])(?:1[\s.\-])?(?:\(\d{{3}}\)\s?|\d{{3}}[\s.\-])\d{{3}}[\s.\-]\d{{4}}(?:\s?(?:x|ext\.?)\s?\d{{1,6}})?{_E}{_NO_UNIT}",
        rf"(?<![\w.\-/])(?:001[\-.]\d{{3}}[\-.]\d{{3}}[\-.]\d{{4}}|\d{{3}}\.\d{{3}}\.\d{{4}})(?:x\d{{1,6}})?{_E}",
        rf"(?<![\w.\-/])0\d{{1,4}}[\s\-]\d{{3,4}}(?:[\s\-]?\d{{2,4}}){{1,3}}{_E}(?!st\b|[nr]d\b|th\b){_NO_UNIT}",
        rf"(?<![\w.\-/])\(\d{{2,4}}\)\s?\d{{3,4}}[\s\-]\d{{3,4}}{_E}{_NO_UNIT}",
        # anything of that length beside a word for a telephone
        r"(?i)(?<!\[)(?:\b(?:phone|tel|telephone|mobile|cell|whatsapp|fax)\b[^\d\n]{0,12}|\b(?:call|text|ring|reach)\b(?:\s+(?:me|us)\b[^\d\n]{0,16}|[^\d\n]{0,6})"
        r"|\b(?:answer(?:ing)?|contact|reach|reached|available)\b[^\d\n]{0,16}\b(?:at|on|under)\s"
        r"|\bmy number\b[^\d\n]{0,6}|(?:电话|手机|联系方式)[^\d\n]{0,6})(\+?\d(?:[\s.\-()]{0,2}\d){5,14})(?!\d)",
        r"(?i)(?<![\w.\-/])(\+?\(?\d(?:[\s.\-()]{0,2}\d){5,14}(?:\s?x\d{1,6})?)\s?-?\s?(?:office|fax|mobile|cell)\b",
    ),
    "handle": _compile(
        r"(?i)(?<![a-z])(?:微信号?|weixin|wechat|vx|v信|qq号?|telegram|whatsapp)\s*(?:id|号|is|是)?\s*[:：]?\s*([a-z0-9_\-]{5,24})(?![a-z0-9_\-\]])"
    ),
    "address": _compile(
        rf"(?<![\w/.,])\d{{1,6}}[A-Za-z]?\s+(?:[NSEW]\.?\s+)?(?:{_WORD}\s+){{1,4}}{_ROAD}(?![A-Za-z]){_UNIT_OF_HOUSE}?{_TAIL}",
        rf"(?<![\w/.,])\d{{1,6}}[A-Za-z]?\s+(?:[NSEW]\.?\s+)?(?:{_WORD}\s+){{1,3}}{_WEAK_ROAD}\b\.?(?:{_UNIT_OF_HOUSE}{_TAIL}|,{_TAIL}|(?=\s*(?:[.?!]|$)))",
        r"(?i)(?<!\[)\b(?:ship|deliver|send|live|lives|living|address|located|mail|post)\b[^.?!\n\d]{0,30}?"
        r"(\d{1,6}\s+(?:[a-z0-9.]+\s+){1,3}(?:street|avenue|boulevard|lane|road|drive|court|way|st|ave|rd|ln|blvd)\b"
        r"(?:,?\s*(?:apt|apartment|suite|unit|flat|#)\.?\s*\w{1,5})?(?:,\s*[a-z]+(?:\s[a-z]+)?)?(?:,?\s+[a-z]{2}\s+\d{5})?)",
        r"(?i)\bP\.?\s?O\.?\s?Box\s+\d+",
        r"(?i)\b(?:zip|post|postal)\s?code\s*(?:is|:|=)?\s*(\d{4,6}(?:-\d{4})?)(?![\w\-])",
        rf"(?:\b[A-Z][a-z]+(?:\s[A-Z][a-z]+)?,\s*)?\b(?:{_STATES})\s+\d{{5}}(?:-\d{{4}})?\b",
        r"(?<![A-Za-z])[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|weg|platz|gasse|allee)\s+\d+[a-z]?\b(?:,?\s+\d{5}(?:\s+[A-ZÄÖÜ][a-zäöüß]+)?)?",
        r"\b[A-Z]{1,2}\d[A-Z\d]?\s\d[ABD-HJLNP-UW-Z]{2}\b",
        # a house number before and a postcode after what was found already
        r"(?<![\w.,\-])(\d{1,5}[A-Za-z]?)[\s>]+(?=\[address)",
        r"\[address(?:_\d+)?\][\s,>]+(\d{4,6}(?:-\d{4})?)(?![\w.\-]|\s?-?\s?\d)",
        rf"(?:(?:{_PROVINCE})(?:省|市|自治区)?)(?:\s*{_HAN}{{2,6}}?[市州盟])?(?:\s*{_HAN}{{1,6}}?[区县旗])?\s*{_HAN}{{0,14}}?(?:路|街|大道|道|巷|胡同|弄|村|镇|小区|花园|大厦)\s*(?:{_ZH_HOUSE})?",
        rf"(?:{_HAN}{{2,4}}?市\s*)?(?:{_HAN}{{1,4}}?[区县]\s*)?{_HAN}{{1,6}}(?:路|街|大道|巷|胡同|弄)\s*\d+(?:-\d+)?\s*[号弄](?:{_HAN}{{0,8}}?(?:小区|花园|大厦|公寓|苑))?(?:\s*\d+(?:号楼|栋|幢|座|单元|楼|层|室|号))*",
        rf"{_HAN}{{2,8}}(?:小区|花园|公寓|大厦|苑)\s*\d+\s*(?:号楼|栋|幢|座)(?:\s*\d+(?:单元|楼|层|室|号))*\d*室?",
    ),
    "name": _compile(
        rf"\b(?i:my name is|my name['’]s|name is|name:|call me|this is|i am|i['’]m|attn:?|signed,?)\s+({_NAME})"
        r"(?=\s*(?:[,.!?;:()\[\n]|$|and\b|from\b|here\b|again\b|but\b|calling\b|speaking\b|living\b|with\b))",
        rf"\b(?i:my name is|my name['’]s|full name:?|recipient:?)\s+"
        rf"({_NOT_NAME}[A-Za-zà-ÿ][\wà-ÿ'’\-]+(?:\s[A-Z][\wà-ÿ'’\-]+)?)",
        r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|MR|MRS)\.?\s+((?:[A-Z]\.\s?)*[A-Z][a-zà-ÿ'’\-]+(?:\s[A-Z][A-Za-zà-ÿ'’\-]+)?)",
        rf"(?m)(?i:regards|sincerely|cheers|best wishes|yours|thanks|thank you|thx)"
        rf"[,!.]?\s*[\n,]\s*[-–]?\s*({_NAME})\s*[.!]?\s*$",
        rf"(?:我叫|我的名字[是叫]|名字[是叫]|姓名[:是]?|(?:收[件货]|联系|签收)人[:是]?)\s*({_ZH_NAME})"
        r"(?=$|[\s,.!?;，。！？；、:（(\[\d]|电话|手机|地址)",
        rf"(?:寄给|送给|转交)\s*({_ZH_NAME}?)(?=收|先生|女士|小姐|[\s,，]*(?:电话|手机|\[phone))",
        rf"(?<!{_HAN})({_ZH_NAME})[\s,，、]*(?:电话|手机号?)?[\s:：]*(?=\[phone)",
        rf"(?:\[phone(?:_\d+)?\])[\s,，]+({_ZH_NAME})(?=$|[\s,，。]|收)",
        rf"(?:我叫|我的名字[是叫])\s*([{_SURNAME}](?!了|过|的|我|你|他|她){_HAN}{{1,2}}?)(?=$|[^\u4e00-\u9fff]|想|要|买|住|在|是|的|你|请|来)",
        rf"(?:我是)\s*([{_SURNAME}](?!个子|皮|头发|色|粉|码|的){_HAN}{{1,2}})(?=$|[\s,.!?;，。！？；]|先生|女士|小姐)",
        rf"(?<!{_HAN})([{_SURNAME}](?:先生|女士|小姐|太太))",
    ),
}

#: What stands for personal data that was found, as `pii.redact` writes it.
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(PATTERNS)})(?:_[1-9]\d{{0,4}})?\]")

# What a text must have for any pattern of a kind to match; searched first, as most texts have little of it.
_DIGIT = re.compile(r"\d")
_HAN_OR_DIGIT = re.compile(r"[\d\u4e00-\u9fff]")
_ANYTHING = re.compile(r"(?s).")
CUES: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"(?i)@|at\W"),
    "url": re.compile(r"[.:]"),
    "iban": _DIGIT,
    "id_number": _DIGIT,
    "card": _DIGIT,
    "ip": re.compile(r"[.:]"),
    "order_number": _DIGIT,
    "phone": _DIGIT,
    "handle": re.compile(r"(?i)[微qvw]|telegram"),
    "address": _HAN_OR_DIGIT,
    "name": _ANYTHING,
}
