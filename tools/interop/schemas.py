#!/usr/bin/env python3
# Judges the files of calls below a records' directory by the schemas in docs/schemas, with a library
# that knows nothing of the relay. Prints what is wrong; exits 1 where anything is, or no file is there.

import json
import pathlib
import sys

import jsonschema

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"


def main() -> int:
    records = pathlib.Path(sys.argv[1])
    files = wrong = 0
    for folder, name in (("transcripts", "transcript"), ("calls", "call")):
        schema = json.loads((SCHEMAS / f"{name}.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        judge = jsonschema.Draft202012Validator(schema)
        for file in sorted((records / folder).glob("call_*.json")):
            files += 1
            for error in judge.iter_errors(json.loads(file.read_text())):
                wrong += 1
                place = "/".join(str(part) for part in error.absolute_path)
                print(f"{file.name}: {place}: {error.message}")
    print(f"{files} files, {wrong} mistakes")
    return 0 if files and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
