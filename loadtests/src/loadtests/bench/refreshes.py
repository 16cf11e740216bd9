"""A wrk script that refreshes: each request sends a token that an earlier answer gave."""

import json
from pathlib import Path
from typing import Final

BLOCK: Final = 256  # tokens of one run: as many as connections at the most
RUNS: Final = 20
SCRIPT: Final = """\
local free, first, last = {}, 1, 0
local headers = { ["Content-Type"] = "application/json" }
function init(_)
  local file = io.open(TURN, "r")
  local turn = 0
  if file then
    turn = tonumber(file:read("*l"))
    file:close()
  end
  file = io.open(TURN, "w")
  file:write(turn + 1)
  file:close()
  local place = 0
  for line in io.lines(TOKENS) do
    if place >= turn * BLOCK and place < (turn + 1) * BLOCK then
      last = last + 1
      free[last] = line
    end
    place = place + 1
  end
end
function request()
  local token = free[first]
  free[first] = nil
  first = first + 1
  return wrk.format("POST", "/auth/refresh", headers, '{"refresh_token": "' .. token .. '"}')
end
function response(_, _, body)
  local token = string.match(body, '"refresh_token": ?"([^"]+)"')
  if token then
    last = last + 1
    free[last] = token
  end
end
"""


def write_refreshes(script: Path, tokens: Path) -> None:
    """Each run takes the next BLOCK of `tokens`: those of the run before are used up."""
    turn = script.with_suffix(".turn")
    names = {"TURN": json.dumps(str(turn)), "TOKENS": json.dumps(str(tokens)), "BLOCK": str(BLOCK + 1)}
    given = "".join(f"local {name} = {value}\n" for name, value in names.items())
    script.write_text(given + SCRIPT)
