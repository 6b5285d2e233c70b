"""Recorder of the data set `hostlab`, with a deliberately weak web service. Read README.md before running anything.

- `service`, `pages`: the web service that is recorded; two of its pages are weak on purpose
- `clients`, `misuse`: the visitors in normal use, and the attacks
- `laboratory`: a temporary folder, the service under strace, and the end of every process that was started
- `trace`: from the lines of strace to one event sequence per connection
- `record`: several runs, each in one split, written as one sequence table
"""
