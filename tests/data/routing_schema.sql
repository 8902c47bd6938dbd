-- What tests/data/routing_statements.txt speaks of.
CREATE SCHEMA app;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
CREATE TABLE u (id int PRIMARY KEY, t_id int, n int);
CREATE TABLE "Mixed" (id int);
CREATE TABLE app.orders (id int PRIMARY KEY, total int);
CREATE UNLOGGED TABLE unlogged (id int);
CREATE SEQUENCE s;
CREATE TABLE numbered (id int DEFAULT nextval('s'), a int);
CREATE MATERIALIZED VIEW m AS SELECT 1 AS id;
CREATE VIEW counting_view AS SELECT nextval('s') AS n;
INSERT INTO t VALUES (1, 1, 'x');
INSERT INTO u VALUES (1, 1, 1);
CREATE FUNCTION stable_f(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION volatile_f(int) RETURNS int LANGUAGE plpgsql VOLATILE AS
    'BEGIN INSERT INTO u VALUES ($1 + 1000, 1, 1) ON CONFLICT DO NOTHING; RETURN $1; END';
CREATE FUNCTION app.stable_f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION app.volatile_f(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
-- Volatile two calls deep: stable by its own words.
CREATE FUNCTION calls_volatile(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN volatile_f($1); END';
-- Overloads: one of two is volatile.
CREATE FUNCTION mixed(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION mixed(text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT $1';
-- Hide built-in ones for whoever puts them first.
CREATE FUNCTION app.upper(text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION app.random() RETURNS float8 LANGUAGE sql VOLATILE AS 'SELECT 0.5::float8';
CREATE FUNCTION "NextVal"(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION set_of(int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT $1';
-- PostgreSQL calls every aggregate immutable; this one is made of a volatile function.
CREATE FUNCTION add_volatile(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1 + $2';
CREATE AGGREGATE volatile_sum(int) (SFUNC = add_volatile, STYPE = int, INITCOND = '0');
CREATE AGGREGATE stable_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE PROCEDURE proc() LANGUAGE sql AS 'INSERT INTO u VALUES (2000, 1, 1) ON CONFLICT DO NOTHING';
