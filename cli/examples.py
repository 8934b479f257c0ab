"""An example of each command, for its help. A test runs all but the server, in this order, in a folder with notes/."""

EXAMPLES = {
    "index": "vsearch index notes --exclude 'drafts/'",
    "query": "vsearch query 'when is the late fee due' --ext md -k 3",
    "similar": "vsearch similar notes/pump.md:12",
    "read": "vsearch read notes/pump.md:3-9",
    "verify": "vsearch verify answer.md",
    "serve": "vsearch serve --port 8080",
    "duplicates": "vsearch duplicates --threshold 0.9",
    "status": "vsearch status --files",
    "remove": "vsearch remove notes/old",
    "compact": "vsearch compact",
    "check": "vsearch check --full",
    "repair": "vsearch repair",
    "export": "vsearch export notes.tar",
    "import": "vsearch import notes.tar --index restored",
    "eval": "vsearch eval --known-items 20",
    "feedback": "vsearch feedback 'late fee' notes/fees.md good",
    "tune": "vsearch tune judged.jsonl --dry-run",
    "config": "vsearch config k 20",
    "models": "vsearch models --json",
    "formats": "vsearch formats",
}
