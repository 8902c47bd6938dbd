// What node-postgres does with named statements: node node_postgres.js work | ask SQL | admin. Lines are compared with
// those of a direct connection, but for lines that begin with '#'.
'use strict';

const { Client } = require('pg');
const readline = require('readline');

const backends = new Set();

async function connected() {
  const client = new Client({
    host: process.env.WEIR_HOST,
    port: Number(process.env.WEIR_PORT),
    user: process.env.WEIR_USER,
    database: process.env.WEIR_DATABASE,
    connectionTimeoutMillis: 10000,
  });
  await client.connect();
  return client;
}

async function run(name, what) {
  const client = await connected();
  await what(client).then(() => console.log(`${name}: done`), (error) => console.log(`${name}: ${error.code} ${error.message}`));
  await client.end();
}

const say = (...what) => console.log(' ', ...what.map((one) => JSON.stringify(one)));

async function prepared(client) {
  for (let i = 0; i < 40; i += 1) {
    const text = 'SELECT pg_backend_pid() AS pid, $1::int * 2 AS twice, $2::text AS name';
    const { rows: [row], fields } = await client.query({ name: 'S_1', text, values: [i, `é${i}`] });
    backends.add(row.pid);
    say(row.twice, row.name, fields.map((field) => field.name));
    say((await client.query({ name: `a${i % 4}`, text: `SELECT $1::int + ${i % 4} AS n`, values: [i] })).rows);
  }
}

async function queued(client) {
  const asked = [...Array(60).keys()].map((n) => client.query({ name: `q${n % 7}`, text: `SELECT $1::int * ${n % 7} AS n`, values: [n] }));
  say((await Promise.all(asked)).map((result) => result.rows[0].n));
}

async function errors(client) {
  for (let i = 0; i < 10; i += 1) {
    const by = (n) => client.query({ name: 'by', text: 'SELECT 10 / $1::int AS n', values: [n] });
    await by(0).catch((error) => say(error.code));
    say((await by(5)).rows);
    await client.query('BEGIN');
    await by(0).catch((error) => say(error.code));
    await by(1).catch((error) => say(error.code));
    await client.query('ROLLBACK');
    await client.query({ name: `bad${i}`, text: 'SELEC' }).catch((error) => say(error.code));
  }
}

async function work() {
  await run('prepared', prepared);
  await run('queued', queued);
  await run('errors', errors);
  console.log(`# backends ${backends.size}`);
}

// One named statement, run once for each line read. The driver has no way to let go of a name: after an error another
// one is used.
async function ask(text) {
  const client = await connected();
  let number = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      const { rows: [row] } = await client.query({ name: `asked${number}`, text });
      console.log(Object.entries(row).map(([name, value]) => `${name}=${value}`).join(',') + line);
    } catch (error) {
      number += 1;
      console.log(`!${error.code}`);
    }
  }
  await client.end();
}

async function admin() {
  const client = await connected();
  for (const command of ['SHOW POOLS', 'SHOW STATS', 'SHOW POOLS', 'SHOW STATS']) {
    const simple = await client.query(command);
    const extended = await client.query({ name: command, text: command });
    console.log(command, simple.fields[0].name, extended.fields[0].name, extended.rows.length > 0);
  }
  await client.end();
}

const [mode, ...rest] = process.argv.slice(2);
({ work, ask, admin })[mode](...rest).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
