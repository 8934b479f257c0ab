-- Heron's schema, as of migration 0047 (release 2026.4.10). PostgreSQL 17.
-- Generated once, commented by hand since; the migrations are the truth.

CREATE EXTENSION IF NOT EXISTS btree_gist;   -- lets "=" and "&&" live in one exclusion constraint

CREATE TABLE member (
    id              text PRIMARY KEY,            -- m_0412; never reused, not even after deletion
    display_name    text NOT NULL CHECK (length(display_name) <= 200),
    born_year       smallint,                    -- only asked of people under 18
    suspended_since date,                        -- set by the worker, cleared when the last overdue tool is back
    deleted_on      date                         -- name is overwritten after 90 days, loans stay for statistics
);

CREATE TABLE bench (
    id     text PRIMARY KEY,                     -- overlock-1, lathe, mains-2
    class  char(1) NOT NULL CHECK (class IN ('A', 'B', 'C')),
    note   text
);

CREATE TABLE slot (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bench_id     text NOT NULL REFERENCES bench,
    starts_local timestamp NOT NULL,             -- WITHOUT time zone, and that is the point
    zone         text NOT NULL DEFAULT 'Europe/London',
    during       tstzrange NOT NULL,             -- computed from the two above by trigger slot_during()
    member_id    text REFERENCES member,
    idem_key     text CHECK (length(idem_key) <= 64),
    UNIQUE (member_id, idem_key),
    EXCLUDE USING gist (bench_id WITH =, during WITH &&)   -- no two people on one chair
);

CREATE TABLE seed_lot (
    id           text PRIMARY KEY,               -- L2025-0093
    variety      text NOT NULL,
    harvested    smallint NOT NULL,
    packets      integer NOT NULL DEFAULT 0,
    red_dot      boolean GENERATED ALWAYS AS (packets < 40) STORED,
    first_count  smallint,                       -- per cent up at the first count
    last_count   smallint,                       -- per cent up at the last count
    yellow       boolean GENERATED ALWAYS AS (last_count < 75 OR first_count * 2 < last_count) STORED
);

-- Lots that ought to be tested again before the season, oldest first.
CREATE VIEW due_for_test AS
SELECT id, variety, harvested FROM seed_lot
WHERE last_count IS NULL OR harvested <= extract(year FROM current_date) - 3
ORDER BY harvested;
