// What postgres.js does with a connection: node postgres_js.js work | ask SQL | admin. Lines are compared with those of a
// direct connection, but for lines that begin with '#'.
'use strict';

const postgres = require('postgres');
const readline = require('readline');

const backends = new Set();

function connected(options = {}) {
  return postgres({
    host: process.env.WEIR_HOST,
    port: Number(process.env.WEIR_PORT),
    user: process.env.WEIR_USER,
    database: process.env.WEIR_DATABASE,
    max: 1,
    connect_timeout: 10,
    fetch_types: true,
    onnotice: () => {},
    ...options,
  });
}

function say(...what) {
  console.log(' ', ...what.map((one) => JSON.stringify(one)));
}

async function run(name, what, options) {
  const sql = connected(options);
  try {
    await what(sql);
    console.log(`${name}: done`);
  } catch (error) {
    console.log(`${name}: ${error.code} ${error.message}`);
  }
  await sql.end();
}

async function fails(what) {
  await what().then(() => say('did not fail'), (error) => say('fails', error.code));
}

// Every text with parameters is a named statement of its own.
async function prepared(sql) {
  for (let i = 0; i < 40; i += 1) {
    const [row] = await sql`SELECT pg_backend_pid() AS pid, ${i}::int * 2 AS twice, ${`é${i}`}::text AS name`;
    backends.add(row.pid);
    delete row.pid;
    say(row);
    say((await sql.unsafe(`SELECT $1::int + ${i % 5} AS n`, [i], { prepare: true }))[0]);
  }
}

async function pipelined(sql) {
  say(await Promise.all([...Array(60).keys()].map((n) => sql`SELECT ${n}::int AS n`.then((rows) => rows[0].n))));
  const answers = await Promise.allSettled([sql`SELECT 1 AS n`, sql`SELECT 1 / ${0}::int`, sql`SELECT ${3}::int AS n`]);
  say(answers.map((one) => one.reason?.code || one.value[0].n));
}

async function transactions(sql) {
  await sql`CREATE TABLE postgres_js (id int PRIMARY KEY, name text)`;
  for (let i = 0; i < 8; i += 1) {
    await sql.begin(async (inside) => {
      await inside`INSERT INTO postgres_js ${inside({ id: i, name: `n${i}` })}`;
      await inside.savepoint((deeper) => deeper`INSERT INTO postgres_js VALUES (${i})`).catch((error) => say(error.code));
      if (i % 3 === 0) throw new Error('not this one');
    }).catch((error) => say(error.message));
  }
  say(await sql`SELECT * FROM postgres_js ORDER BY id`);
  await sql`DROP TABLE postgres_js`;
}

async function streamed(sql) {
  let sum = 0;
  await sql`SELECT generate_series(1, ${100}::int) AS n`.cursor(7, (rows) => rows.forEach((row) => { sum += row.n; }));
  await sql`SELECT generate_series(1, ${50}::int) AS n`.forEach((row) => { sum += row.n; });
  say(sum);
  await sql.begin(async (inside) => {
    await inside`CREATE TEMP TABLE t (id int) ON COMMIT DROP`;
    const writable = await inside`COPY t FROM STDIN`.writable();
    await new Promise((resolve, reject) => { writable.on('finish', resolve).on('error', reject).end('1\n2\n3\n'); });
    say(await inside`SELECT sum(id)::int FROM t`);
  });
  const slow = sql`SELECT pg_sleep(15)`;
  slow.execute();
  setTimeout(() => slow.cancel(), 300);
  await fails(() => slow);
  say(await sql`SELECT 10 AS n`);
}

async function work() {
  await run('prepared', prepared);
  await run('never prepared', prepared, { prepare: false });
  await run('pipelined', pipelined);
  await run('transactions', transactions);
  await run('streamed', streamed);
  console.log(`# backends ${backends.size}`);
}

// One prepared statement, run once for each line read; the driver prepares anew by itself after 0A000, once.
async function ask(text) {
  const sql = connected();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      const [row] = await sql.unsafe(text, [], { prepare: true });
      console.log(Object.entries(row).map(([name, value]) => `${name}=${value}`).join(',') + line);
    } catch (error) {
      console.log(`!${error.code}`);
    }
  }
  await sql.end();
}

async function admin() {
  for (const options of [{}, { prepare: false }]) {
    const sql = connected({ ...options, fetch_types: false });
    for (const command of ['SHOW POOLS', 'SHOW STATS', 'SHOW POOLS', 'SHOW STATS']) {
      const simple = await sql.unsafe(command).simple();
      const extended = await sql.unsafe(command, [], { prepare: true });
      console.log(command, Object.keys(simple[0])[0], Object.keys(extended[0])[0]);
    }
    await sql.end();
  }
}

const [mode, ...rest] = process.argv.slice(2);
({ work, ask, admin })[mode](...rest).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
