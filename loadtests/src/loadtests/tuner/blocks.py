"""Parts of a document that a command writes: between `<!-- NAME -->` and `<!-- end NAME -->`.

Both marks may stand in one line, as in a cell of a table; the text is then written into that line.
"""

import re
from pathlib import Path


def replace_block(file: Path, name: str, text: str) -> bool:
    """True if the document changed. Raises ValueError when it has no such part."""
    before = file.read_text()
    part = re.compile(rf"(<!-- {re.escape(name)} -->)(\n?).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
    if not part.search(before):
        raise ValueError(f"{file} has no part between <!-- {name} --> and <!-- end {name} -->")
    after = part.sub(lambda found: f"{found[1]}{found[2]}{text.strip()}{found[2]}{found[3]}", before)
    file.write_text(after)
    return after != before
