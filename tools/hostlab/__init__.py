"""The parts of `record_hostlab.py`.

- `service`, `pages`: the small web service that is recorded (two places are deliberately weak)
- `clients`, `misuse`: who visits it, and how it is misused
- `laboratory`: a temporary folder, the service under strace, and the end of everything that was started
- `trace`: from strace's lines to one sequence of coarse events a connection
- `record`: several runs, each wholly in one split, written as one sequence table
"""
