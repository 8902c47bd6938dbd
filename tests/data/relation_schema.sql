-- What tests/data/relation_statements.txt speaks of.
CREATE TABLE t (id int PRIMARY KEY, a int, b text, at timestamptz);
CREATE TABLE u (id int PRIMARY KEY, note text, opens time);
CREATE TABLE zoned (id int, hour timetz);
CREATE SEQUENCE s;
CREATE TABLE numbered (id int DEFAULT nextval('s'), a int);
-- Names in two schemas.
CREATE SCHEMA app;
CREATE TABLE app.twin (id int);
CREATE TABLE twin (id int);
-- Views on views, and what makes one unfit.
CREATE VIEW v AS SELECT id, a FROM t WHERE a > 0;
CREATE VIEW vv AS SELECT v.id FROM v JOIN u ON u.id = v.id;
CREATE VIEW v_now AS SELECT id FROM t WHERE at < now();
CREATE VIEW v_today AS SELECT id FROM t WHERE at < CURRENT_DATE;
CREATE VIEW v_user AS SELECT id, CURRENT_USER AS who FROM t;
CREATE VIEW v_text AS SELECT id FROM u WHERE note::timestamptz > '2020-01-01';
CREATE VIEW v_catalog AS SELECT relname FROM pg_class;
CREATE VIEW v_schema AS SELECT table_name FROM information_schema.tables;
CREATE VIEW v_sample AS SELECT id FROM t TABLESAMPLE system (10);
CREATE VIEW v_good AS SELECT to_char(at, 'YYYY') AS y, count(*) AS n FROM t GROUP BY 1;
CREATE VIEW v_sub AS SELECT id FROM u WHERE EXISTS (SELECT FROM twin WHERE twin.id = u.id);
CREATE MATERIALIZED VIEW m AS SELECT id, a FROM vv JOIN t USING (id);
CREATE VIEW v_m AS SELECT id FROM m;
-- Partitions and children.
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
CREATE TABLE parted_2a PARTITION OF parted_2 DEFAULT;
CREATE TABLE family (id int);
CREATE TABLE child () INHERITS (family);
-- Cascades over three tables, and one that only refuses.
CREATE TABLE c1 (id int PRIMARY KEY);
CREATE TABLE c2 (id int PRIMARY KEY REFERENCES c1 ON DELETE CASCADE);
CREATE TABLE c3 (id int REFERENCES c2 ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE c4 (id int REFERENCES c1);
-- Triggers.
CREATE TABLE log (what text);
CREATE TABLE logged (id int);
CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES (TG_OP); RETURN NEW; END$$;
CREATE TRIGGER logs AFTER INSERT ON logged FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE TABLE stamped (id int, at timestamptz);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); RETURN NEW; END$$;
CREATE TRIGGER stamps BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE dynamic (id int);
CREATE FUNCTION run() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DELETE FROM ' || TG_ARGV[0]; RETURN NULL; END$$;
CREATE TRIGGER runs AFTER DELETE ON dynamic FOR EACH STATEMENT EXECUTE FUNCTION run('t');
CREATE TRIGGER part_logs AFTER UPDATE ON parted_2a FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE TRIGGER cascade_logs AFTER UPDATE OR DELETE ON c3 FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE VIEW v_instead AS SELECT id FROM t;
CREATE TRIGGER instead INSTEAD OF INSERT ON v_instead FOR EACH ROW EXECUTE FUNCTION write_log();
-- Rules.
CREATE TABLE ruled (id int);
CREATE RULE ruled_also AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES ('ruled');
CREATE VIEW v_ruled AS SELECT id FROM u;
CREATE RULE v_ruled_delete AS ON DELETE TO v_ruled DO INSTEAD DELETE FROM twin WHERE twin.id = OLD.id;
-- What hangs on who asks, or lies elsewhere.
CREATE TABLE guarded (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE VIEW v_guarded AS SELECT id FROM guarded;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE distant (id int) SERVER far;
-- Functions.
CREATE FUNCTION f_const(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION f_read(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM t WHERE id = $1';
CREATE FUNCTION f_write(int) RETURNS void LANGUAGE sql AS 'INSERT INTO twin VALUES ($1)';
CREATE FUNCTION f_atomic(x int) RETURNS void BEGIN ATOMIC DELETE FROM app.twin WHERE id = x; END;
CREATE FUNCTION f_deep(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM f_write($1); RETURN 1; END';
CREATE FUNCTION f_stable_deep(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN f_deep($1); END';
CREATE FUNCTION f_dynamic(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; END';
CREATE FUNCTION f_default(int DEFAULT f_deep(1)) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE VIEW v_writes AS SELECT f_deep(id) FROM t;
CREATE FUNCTION f_view() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM v_writes';
CREATE FUNCTION f_truncate() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE c1 CASCADE; END';
CREATE FUNCTION f_ddl() RETURNS void LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS gone; END';
CREATE PROCEDURE proc(int) LANGUAGE sql AS 'UPDATE u SET note = NULL WHERE id = $1';
CREATE TABLE defaulted (id int DEFAULT f_deep(2));
CREATE TABLE checked (id int CHECK (f_deep(id) > 0));
-- A function that is called as a column of its row.
CREATE FUNCTION full_note(u) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.note || count(*) FROM t';
-- An aggregate made of a volatile function.
CREATE FUNCTION add_writing(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM f_write($1); RETURN $1 + $2; END';
CREATE AGGREGATE writing_sum(int) (SFUNC = add_writing, STYPE = int, INITCOND = '0');
-- An operator that hangs on more than its operands, and a type of one's own.
CREATE FUNCTION near(int, int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT abs($1 - $2) < current_setting(''app.near'')::int';
CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = near);
CREATE TYPE pair AS (x int, y int);
