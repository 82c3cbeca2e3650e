"""The tables of a history, what each version added to them, and how their rows are checked and carried over."""

from typing import Final

from treegen.history.recovery import Table

VERSION: Final = 12
TABLES: Final = """
CREATE TABLE revision (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, parent INTEGER REFERENCES revision(id), author TEXT NOT NULL,
  note TEXT NOT NULL, digest TEXT NOT NULL, tree TEXT NOT NULL, created TEXT NOT NULL);
CREATE INDEX revision_file ON revision(file, digest);
CREATE TABLE call (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, revision INTEGER REFERENCES revision(id), purpose TEXT NOT NULL,
  model TEXT NOT NULL, messages TEXT NOT NULL, reply TEXT, finish TEXT, prompt_tokens INTEGER,
  completion_tokens INTEGER, cost REAL, seconds REAL, repaired INTEGER NOT NULL,
  problems TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE score (
  id INTEGER PRIMARY KEY, revision INTEGER NOT NULL REFERENCES revision(id), encoder TEXT NOT NULL,
  images TEXT NOT NULL, score TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE split (
  settings TEXT NOT NULL, digest TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (settings, digest)) WITHOUT ROWID;
"""
#: what each version added to the previous one
MIGRATIONS: Final = {
    2: """
CREATE TABLE session (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, base TEXT NOT NULL, saved TEXT NOT NULL, file_hash TEXT NOT NULL,
  position INTEGER NOT NULL,
  locks TEXT NOT NULL, created TEXT NOT NULL, ended TEXT);
CREATE TABLE step (
  id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES session(id), number INTEGER NOT NULL,
  label TEXT NOT NULL, changes TEXT NOT NULL, back TEXT NOT NULL, dropped INTEGER NOT NULL, created TEXT NOT NULL);
CREATE INDEX step_session ON step(session, number);
CREATE TABLE decision (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, feedback TEXT NOT NULL, change TEXT NOT NULL, sentence TEXT NOT NULL,
  taken INTEGER NOT NULL, why TEXT NOT NULL, created TEXT NOT NULL);
""",
    3: """
CREATE TABLE IF NOT EXISTS kept (
  file TEXT NOT NULL, session INTEGER NOT NULL REFERENCES session(id), name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (session, name));
""",
    4: """
CREATE TABLE answer (
  key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL, created TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE form (
  model TEXT NOT NULL, server TEXT NOT NULL, form TEXT NOT NULL, created TEXT NOT NULL,
  PRIMARY KEY (model, server)) WITHOUT ROWID;
ALTER TABLE call ADD COLUMN requests INTEGER;
ALTER TABLE call ADD COLUMN cached INTEGER NOT NULL DEFAULT 0
""",
    5: """
CREATE TABLE part (
  file TEXT NOT NULL, digest TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, created TEXT NOT NULL,
  PRIMARY KEY (file, digest, name));
""",
    6: """
CREATE TABLE IF NOT EXISTS look (
  images TEXT NOT NULL, split TEXT NOT NULL, tree TEXT NOT NULL, encoder TEXT NOT NULL, rule TEXT NOT NULL,
  created TEXT NOT NULL, PRIMARY KEY (images, split, tree, encoder, rule)) WITHOUT ROWID;
""",
    7: """
CREATE TABLE IF NOT EXISTS tested (
  digest TEXT NOT NULL, images TEXT NOT NULL, split TEXT NOT NULL, PRIMARY KEY (digest, images, split)) WITHOUT ROWID;
""",
    # what people read who open the file with a browser of SQLite, such as datasette; treegen itself never reads them
    8: """
CREATE VIEW IF NOT EXISTS scored_revisions AS
SELECT revision.file, revision.id AS revision, revision.parent, revision.author, revision.note, revision.created,
  json_extract(score, '$.encoder.name') AS encoder, json_extract(score, '$.decision_rule') AS decision_rule,
  json_extract(score, '$.dev.n') AS dev_n, json_extract(score, '$.dev.accuracy') AS dev_accuracy,
  json_extract(score, '$.test.n') AS test_n, json_extract(score, '$.test.accuracy') AS test_accuracy,
  json_extract(score, '$.test.interval[0]') AS test_low, json_extract(score, '$.test.interval[1]') AS test_high,
  json_extract(score, '$.baseline.accuracy') AS names_alone,
  json_extract(score, '$.mcnemar.parent.difference') AS difference_from_parent,
  json_extract(score, '$.mcnemar.parent.p') AS p_against_parent, score.created AS scored
FROM revision LEFT JOIN score ON score.revision = revision.id;
CREATE VIEW IF NOT EXISTS class_scores AS
SELECT revision.file, revision.id AS revision, json_extract(score, '$.encoder.name') AS encoder,
  json_extract(each.value, '$.name') AS class, json_extract(each.value, '$.n') AS dev_n,
  json_extract(each.value, '$.recall') AS recall, json_extract(each.value, '$.interval[0]') AS low,
  json_extract(each.value, '$.interval[1]') AS high, json_extract(each.value, '$.taken_for[0].name') AS taken_for
FROM score JOIN revision ON score.revision = revision.id, json_each(score, '$.dev.classes') AS each;
CREATE VIEW IF NOT EXISTS group_scores AS
SELECT revision.file, revision.id AS revision, json_extract(score, '$.encoder.name') AS encoder,
  json_extract(each.value, '$.name') AS "group", json_extract(each.value, '$.n') AS dev_n,
  json_extract(each.value, '$.accuracy') AS accuracy, json_extract(each.value, '$.interval[0]') AS low,
  json_extract(each.value, '$.interval[1]') AS high, json_extract(each.value, '$.calibration.error') AS ece,
  json_extract(each.value, '$.without.difference') AS difference_without,
  json_extract(each.value, '$.without.p_holm') AS p_without
FROM score JOIN revision ON score.revision = revision.id, json_each(score, '$.dev.groups') AS each;
CREATE VIEW IF NOT EXISTS language_model_calls AS
SELECT file, id AS call, revision, purpose, model, created, seconds, prompt_tokens, completion_tokens, cost, requests,
  cached, repaired, reply IS NULL AS failed, json_array_length(problems) AS problems
FROM call;
""",
    9: """
ALTER TABLE revision ADD COLUMN sum INTEGER;
ALTER TABLE score ADD COLUMN sum INTEGER;
ALTER TABLE call ADD COLUMN sum INTEGER;
ALTER TABLE answer ADD COLUMN sum INTEGER;
ALTER TABLE part ADD COLUMN sum INTEGER
""",
    10: """
CREATE TABLE IF NOT EXISTS note (
  file TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (file, kind, target)) WITHOUT ROWID;
ALTER TABLE step ADD COLUMN notes TEXT NOT NULL DEFAULT '[]'
""",
    # evaluations of the dev split that somebody chose by; `base` is what the tree was compared with
    11: """
CREATE TABLE IF NOT EXISTS choice (
  id INTEGER PRIMARY KEY, split TEXT NOT NULL, encoder TEXT NOT NULL, rule TEXT NOT NULL, tree TEXT NOT NULL,
  base TEXT NOT NULL, source TEXT NOT NULL, n INTEGER NOT NULL, right INTEGER NOT NULL, flips INTEGER NOT NULL,
  tried INTEGER NOT NULL, created TEXT NOT NULL, UNIQUE (split, encoder, rule, tree));
""",
    12: ";".join(
        f"ALTER TABLE {table} ADD COLUMN sum INTEGER"
        for table in ("split", "session", "step", "decision", "kept", "form", "look", "tested", "note", "choice")
    ),
}
#: what the checksum of a row is of, by the version that began it and by table; rows of earlier versions have none
CHECKSUMMED: Final[dict[int, dict[str, str]]] = {
    9: {
        "revision": "file, parent, author, note, digest, tree, created",
        "score": "revision, encoder, images, score, created",
        "call": "file, purpose, model, messages, reply, finish, prompt_tokens, completion_tokens, cost, seconds, "
        "repaired, problems, created, requests, cached",
        "answer": "key, model, reply, created",
        "part": "file, digest, name, value, created",
    },
    12: {
        "split": "settings, digest, part",
        "session": "file, base, saved, file_hash, position, locks, created, ended",
        "step": "session, number, label, changes, back, notes, dropped, created",
        "decision": "file, feedback, change, sentence, taken, why, created",
        "kept": "file, session, name, value",
        "form": "model, server, form, created",
        "look": "images, split, tree, encoder, rule, created",
        "tested": "digest, images, split",
        "note": "file, kind, target, value",
        "choice": "split, encoder, rule, tree, base, source, n, right, flips, tried, created",
    },
}
MOST_VALUE: Final = 2**28  # bytes of a value, which a stranger's column may compute: four times the largest tree
#: columns that earlier versions filled with whatever a provider reported
UNCHECKED: Final = ("prompt_tokens", "completion_tokens", "finish", "reply")
#: how the rows of a store that was removed while it was in use are written into the next one
CARRIED: Final = {
    "revision": Table(references={"parent": "revision"}, numbered=True, summed=True),
    "call": Table(
        references={"revision": "revision"},
        numbered=True,
        mutable=frozenset({"revision", "purpose", "problems", "repaired"}),
    ),
    "score": Table(references={"revision": "revision"}, numbered=True, summed=True),
    "session": Table(numbered=True, mutable=frozenset({"saved", "file_hash", "position", "locks", "ended"})),
    "step": Table(
        references={"session": "session"},
        numbered=True,
        mutable=frozenset({"dropped"}),
        summed=True,
    ),
    "decision": Table(numbered=True),
    "kept": Table(references={"session": "session"}, summed=True),
    **dict.fromkeys(("split", "answer", "form", "part", "look", "tested", "note", "choice"), Table()),
}
