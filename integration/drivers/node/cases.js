// What node-postgres does with a connection; one case per run: node cases.js NAME. Exit status 0 = it held.
'use strict';

const assert = require('assert');
const { Client, Pool } = require('pg');

const where = {
  host: process.env.WEIR_HOST,
  port: Number(process.env.WEIR_PORT),
  user: process.env.WEIR_USER,
  password: process.env.WEIR_PASSWORD,
  database: process.env.WEIR_DATABASE,
  connectionTimeoutMillis: 10000,
};

async function withClient(work) {
  const client = new Client(where);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

const cases = {
  simple: () => withClient(async (client) => {
    assert.deepStrictEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
  }),

  parameters: () => withClient(async (client) => {
    const result = await client.query('SELECT $1::int + $2::int AS sum, $3::text AS name', [1, 2, 'é']);
    assert.deepStrictEqual(result.rows, [{ sum: 3, name: 'é' }]);
  }),

  multi_statement: () => withClient(async (client) => {
    const results = await client.query('SELECT 1 AS a; SELECT 2 AS b');
    assert.deepStrictEqual(results.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
  }),

  error_then_reuse: () => withClient(async (client) => {
    await assert.rejects(client.query('SELECT 1/0'), { code: '22012' });
    await assert.rejects(client.query('SELECT 1/$1::int', [0]), { code: '22012' });
    assert.strictEqual((await client.query('SELECT 2 AS two')).rows[0].two, 2);
  }),

  transaction: () => withClient(async (client) => {
    await client.query('BEGIN');
    await client.query('CREATE TEMP TABLE t (id int) ON COMMIT DROP');
    await client.query('INSERT INTO t SELECT generate_series(1, 10)');
    assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM t')).rows[0].n, 10);
    await client.query('ROLLBACK');
    await assert.rejects(client.query('SELECT * FROM t'), { code: '42P01' });
  }),

  notice: () => withClient(async (client) => {
    const heard = [];
    client.on('notice', (notice) => heard.push(notice.message));
    await client.query("DO $$ BEGIN RAISE NOTICE 'hello'; END $$");
    assert.deepStrictEqual(heard, ['hello']);
  }),

  queued: () => withClient(async (client) => {
    const answers = await Promise.all([...Array(50).keys()].map((n) => client.query('SELECT $1::int AS n', [n])));
    assert.deepStrictEqual(answers.map((answer) => answer.rows[0].n), [...Array(50).keys()]);
  }),

  big_value: () => withClient(async (client) => {
    const value = 'weir '.repeat(1000000);
    assert.strictEqual((await client.query('SELECT $1::text AS v', [value])).rows[0].v, value);
  }),

  pool: async () => {
    // In session mode each of these keeps a backend, and there are eight.
    const pool = new Pool({ ...where, max: 6 });
    const answers = await Promise.all([...Array(200).keys()].map((n) => pool.query('SELECT $1::int AS n', [n])));
    assert.deepStrictEqual(answers.map((answer) => answer.rows[0].n), [...Array(200).keys()]);
    await pool.end();
  },

  named_statement: () => withClient(async (client) => {
    for (let n = 0; n < 10; n += 1) {
      const result = await client.query({ name: 'double', text: 'SELECT $1::int * 2 AS d', values: [n] });
      assert.strictEqual(result.rows[0].d, n * 2);
    }
  }),

  notify: () => withClient(async (listener) => {
    await listener.query('LISTEN news');
    const heard = new Promise((resolve) => listener.on('notification', (event) => resolve(event.payload)));
    await withClient((speaker) => speaker.query("NOTIFY news, 'hello'"));
    assert.strictEqual(await heard, 'hello');
  }),
};

cases[process.argv[2]]().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
