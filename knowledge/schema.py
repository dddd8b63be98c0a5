"""The tables of the database, as steps: each brings a file of the version before it to its own. Knows no connection.

A step that was released is never changed, for files of its version exist. A new one goes to the end of `STEPS`.
"""

from knowledge import term_rows, vector_rows

FIRST = """
CREATE TABLE bases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    embedder TEXT NOT NULL DEFAULT ''
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    pages INTEGER,
    version INTEGER NOT NULL,
    added REAL NOT NULL,
    warnings TEXT NOT NULL,
    UNIQUE (base_id, name)
);
CREATE INDEX documents_sha256 ON documents(sha256);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    first_line INTEGER,
    last_line INTEGER,
    tokens INTEGER NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX chunks_document ON chunks(document_id);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    stage TEXT NOT NULL,
    part REAL NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    detail TEXT NOT NULL DEFAULT '',
    code TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL AS (stage IN ('ready', 'skipped', 'failed', 'cancelled'))
);
CREATE INDEX jobs_base ON jobs(base_id, id);
CREATE INDEX jobs_sha256 ON jobs(sha256);
CREATE VIEW job_rows AS
    SELECT j.id, b.name AS base, j.name, j.size, j.stage, j.part, j.chunks, j.seconds, j.detail, j.code,
        j.base_id, j.sha256, j.done
    FROM jobs j JOIN bases b ON b.id = j.base_id;
CREATE VIEW document_rows AS
    SELECT d.id, b.name AS base, d.name, d.sha256, d.size, d.characters, d.chunks, d.pages, d.version, d.added,
        d.warnings, d.base_id
    FROM documents d JOIN bases b ON b.id = d.base_id;
CREATE VIEW passage_rows AS
    SELECT c.id, c.text, b.name AS base, c.document_id, d.name, c.page, c.headings, c.first_line, c.last_line, c.tokens
    FROM chunks c JOIN documents d ON d.id = c.document_id JOIN bases b ON b.id = d.base_id;
"""

FILES = """
ALTER TABLE bases ADD COLUMN token TEXT;
ALTER TABLE bases ADD COLUMN created REAL NOT NULL DEFAULT 0;
ALTER TABLE bases ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
UPDATE bases SET token = 'vs_' || lower(hex(randomblob(16))),
    created = coalesce((SELECT min(added) FROM documents WHERE base_id = bases.id), strftime('%s', 'now') + 0.0);
CREATE UNIQUE INDEX bases_token ON bases(token);

-- What was uploaded. `uploaded`: by itself, and kept until it is deleted; else it goes with the last base it is in.
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    uploaded INTEGER NOT NULL,
    added REAL NOT NULL
);
CREATE INDEX files_sha256 ON files(sha256);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    created REAL NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batches_base ON batches(base_id);
-- A file in a base; `name`: its document's, which differs from the file's where two files have one name.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL DEFAULT '{}',
    chunk_tokens INTEGER,
    chunk_overlap INTEGER,
    batch_id INTEGER REFERENCES batches(id) ON DELETE SET NULL,
    added REAL NOT NULL,
    UNIQUE (base_id, file_id)
);
CREATE INDEX entries_base ON entries(base_id);
CREATE INDEX entries_file ON entries(file_id);
CREATE INDEX entries_name ON entries(base_id, name);
CREATE INDEX entries_batch ON entries(batch_id);
-- Where in its list something stood that is gone: whoever pages through a list may delete what he has read.
CREATE TABLE gone (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL,
    base_id INTEGER NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX gone_token ON gone(token);

ALTER TABLE documents ADD COLUMN file_id INTEGER;
ALTER TABLE documents ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN file_id INTEGER;
CREATE INDEX documents_file ON documents(file_id);
CREATE INDEX jobs_file ON jobs(file_id);
UPDATE documents SET file_id = id, bytes =
    (SELECT coalesce(sum(length(CAST(text AS BLOB)) + length(vector)), 0) FROM chunks WHERE document_id = documents.id);
UPDATE jobs SET file_id = id + (SELECT coalesce(max(id), 0) FROM documents) WHERE stage NOT IN ('ready', 'skipped');
INSERT INTO files (id, token, name, sha256, size, purpose, uploaded, added)
    SELECT file_id, 'file-' || lower(hex(randomblob(12))), name, sha256, size, 'assistants', 0, added FROM documents
    UNION ALL
    SELECT file_id, 'file-' || lower(hex(randomblob(12))), name, sha256, size, 'assistants', 0, strftime('%s', 'now') + 0.0
    FROM jobs WHERE file_id IS NOT NULL;
INSERT INTO entries (base_id, file_id, name, added)
    SELECT base_id, file_id, name, added FROM documents
    UNION ALL
    SELECT base_id, file_id, name, strftime('%s', 'now') + 0.0 FROM jobs WHERE file_id IS NOT NULL;

CREATE TRIGGER entries_gone AFTER DELETE ON entries BEGIN
    INSERT INTO gone (token, base_id, position) SELECT token, OLD.base_id, OLD.id FROM files WHERE id = OLD.file_id;
    DELETE FROM files WHERE id = OLD.file_id AND NOT uploaded
        AND NOT EXISTS (SELECT 1 FROM entries WHERE file_id = OLD.file_id);
END;
CREATE TRIGGER files_gone AFTER DELETE ON files BEGIN
    INSERT INTO gone (token, base_id, position) VALUES (OLD.token, 0, OLD.id);
END;
CREATE TRIGGER bases_gone AFTER DELETE ON bases WHEN OLD.token IS NOT NULL BEGIN
    INSERT INTO gone (token, base_id, position) VALUES (OLD.token, 0, OLD.id);
END;
CREATE TRIGGER gone_kept AFTER INSERT ON gone BEGIN
    DELETE FROM gone WHERE id <= NEW.id - 10000;
END;

DROP VIEW job_rows;
CREATE VIEW job_rows AS
    SELECT j.id, b.name AS base, j.name, j.size, j.stage, j.part, j.chunks, j.seconds, j.detail, j.code,
        j.base_id, j.sha256, j.done, j.file_id, e.chunk_tokens, e.chunk_overlap
    FROM jobs j JOIN bases b ON b.id = j.base_id
    LEFT JOIN entries e ON e.base_id = j.base_id AND e.file_id = j.file_id;
DROP VIEW passage_rows;
CREATE VIEW passage_rows AS
    SELECT c.id, c.text, b.name AS base, c.document_id, d.name, c.page, c.headings, c.first_line, c.last_line, c.tokens,
        f.token
    FROM chunks c JOIN documents d ON d.id = c.document_id JOIN bases b ON b.id = d.base_id JOIN files f ON f.id = d.file_id;
CREATE VIEW entry_rows AS
    SELECT f.token, b.token AS base, f.name, e.name AS document_name, e.added, e.attributes, e.chunk_tokens, e.chunk_overlap,
        CASE WHEN d.id IS NOT NULL THEN 'completed' WHEN j.stage IN ('failed', 'cancelled') THEN j.stage
            WHEN j.id IS NOT NULL THEN 'in_progress' ELSE 'cancelled' END AS status,
        coalesce(d.bytes, 0) AS bytes, coalesce(j.code, '') AS code, coalesce(j.detail, '') AS detail,
        e.id, e.base_id, e.file_id, e.batch_id, d.id AS document_id, j.id AS job_id
    FROM entries e JOIN files f ON f.id = e.file_id JOIN bases b ON b.id = e.base_id
    LEFT JOIN documents d ON d.file_id = e.file_id AND d.base_id = e.base_id
    LEFT JOIN jobs j ON j.id = (SELECT max(id) FROM jobs WHERE file_id = e.file_id AND base_id = e.base_id);
"""

SWITCHED_OFF = """
ALTER TABLE chunks ADD COLUMN switched_off INTEGER NOT NULL DEFAULT 0;
CREATE INDEX chunks_switched_off ON chunks(document_id) WHERE switched_off;
DROP VIEW document_rows;
CREATE VIEW document_rows AS
    SELECT d.id, b.name AS base, d.name, d.sha256, d.size, d.characters, d.chunks, d.pages, d.version, d.added,
        d.warnings, (SELECT count(*) FROM chunks WHERE document_id = d.id AND switched_off) AS switched_off, d.base_id
    FROM documents d JOIN bases b ON b.id = d.base_id;
DROP VIEW passage_rows;
CREATE VIEW passage_rows AS
    SELECT c.id, c.text, b.name AS base, c.document_id, d.name, c.page, c.headings, c.first_line, c.last_line, c.tokens,
        f.token, c.switched_off
    FROM chunks c JOIN documents d ON d.id = c.document_id JOIN bases b ON b.id = d.base_id JOIN files f ON f.id = d.file_id;
"""

STEPS = (FIRST, FILES, term_rows.SCHEMA, vector_rows.SCHEMA, SWITCHED_OFF, term_rows.ANEW, term_rows.ANEW, term_rows.ANEW)
"""Step n brings a file to version n, from 1."""
