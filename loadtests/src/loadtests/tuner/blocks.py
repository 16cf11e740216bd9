"""Parts of a document that a command writes: between `<!-- NAME -->` and `<!-- end NAME -->`."""

import re
from pathlib import Path


def replace_block(file: Path, name: str, text: str) -> bool:
    """True if the document changed. Raises ValueError when it has no such part."""
    before = file.read_text()
    part = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
    if not part.search(before):
        raise ValueError(f"{file} has no part between <!-- {name} --> and <!-- end {name} -->")
    after = part.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", before)
    file.write_text(after)
    return after != before
