"""Make the font of faces from Noto Sans CJK: python -m faces.fonts.subset NotoSansCJK-Regular.ttc

GB 2312 (6,763 hanzi and its signs), the first level of Big5 (5,401, for names from Hong Kong and Taiwan), 8-bit Latin, and a hundred characters more that
names are written with. Needs fonttools, which only those have who develop. Debian's package fonts-noto-cjk has the collection; face 2 of it is for simplified Chinese.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

FACE_OF_COLLECTION = "Noto Sans CJK SC"
# beyond GB 2312: names, and what prescriptions and addresses need
NAMES = (
    "〇喆堃淼玥珺赟瑄翀婳旻昇珮祎瑀琋镕昉昕晗晞暄暐曦杄桉梽棽橦洺浠淏淙淯湉溁滢潆澍灏炘烜焜煊煜燚燊玙玚珂珈玹珩琇琎琤瑢瑾璟璟瓅甯畇"
    "砼祺禛禤竑筱綦纮缐翙翚翯芃芠芮苡茈茗荍莙菀葳蓁蓉薷薇蘅虓蜎衎襄诩诜谞赪趯轾辀迓逑遆郄郗郦鄀鄄鋆鏐钘钰铖铠铱锜锳镝镠镡闫阗陟雯霂霈霏韡颀颋飏馗骉骎骐髙鸾麴黟龑"
    "彧怡惢愔慜懿戆扆揆攸昀昶晔晟晢暠玎玭珰珵琀琄琬琰琳琼瑅瑗瑨瑭璇璎璐璠璩璘璥瓘甦碁禕秾笪筠箬綝罡羿翮聿胤芊苒茜莜菁菡萱葆蒽蔚蕤蕾薏藜藿蘩"
)
SIGNS = "·—–…‘’“”†‡‰′″※€℃℉№™←↑→↓∑∞≈≠≤≥①②③④⑤⑥⑦⑧⑨⑩■□▲△●○◆◇★☆〓〔〕【】、。《》「」『』￥％，．：；（）！？～－／＋＝＜＞"


def characters() -> set[int]:
    found = {ord(character) for character in NAMES + SIGNS} | set(range(0x20, 0x7F)) | set(range(0xA0, 0x100))
    found |= _encoded("gb2312", range(0xA1, 0xF8), range(0xA1, 0xFF))
    return found | _encoded("big5", range(0xA4, 0xC7), range(0x40, 0xFF))  # its first level


def _encoded(codec: str, rows: range, cells: range) -> set[int]:
    """All that a double-byte set has in these rows."""
    found: set[int] = set()
    for row in rows:
        for cell in cells:
            try:
                found.add(ord(bytes((row, cell)).decode(codec)))
            except UnicodeDecodeError:
                continue
    return found


def make_subset(collection: Path) -> bytes:
    """Without hints and without the layout tables that horizontal Chinese does not use."""
    import io

    from fontTools import subset
    from fontTools.ttLib import TTCollection

    fonts: Any = TTCollection(str(collection)).fonts
    font = next(one for one in fonts if one["name"].getDebugName(1) == FACE_OF_COLLECTION)
    options = subset.Options()
    options.hinting = False
    options.layout_features = []
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    options.drop_tables += ["VORG", "vhea", "vmtx", "BASE", "DSIG", "GPOS", "GSUB", "GDEF"]
    options.notdef_outline = True
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters())
    subsetter.subset(font)
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def main() -> None:
    from faces.glyphs import FONT_FILE, FONT_FOLDER

    data = make_subset(Path(sys.argv[1]))
    (FONT_FOLDER / FONT_FILE).write_bytes(data)
    print(f"{FONT_FILE}: {len(data)} bytes")


if __name__ == "__main__":
    main()
