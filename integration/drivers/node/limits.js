// What node-postgres makes of a result that is larger than it may be: node limits.js ROWS. The lines are as JdbcLimits.java's.
'use strict';

const { Client } = require('pg');

const where = {
  host: process.env.WEIR_HOST,
  port: Number(process.env.WEIR_PORT),
  user: process.env.WEIR_USER,
  database: process.env.WEIR_DATABASE,
  connectionTimeoutMillis: 10000,
};

async function read(name, query, inTransaction) {
  const client = new Client(where);
  await client.connect();
  let state = 'none';
  let rows = 0;
  client.on('notice', (notice) => { state = `warning ${notice.code}`; });
  if (inTransaction) {
    await client.query('BEGIN');
  }
  try {
    rows = (await client.query(query)).rows.length;
  } catch (error) {
    state = `error ${error.code}`;
  }
  const usable = await client.query('SELECT 1').then(() => 'usable', (error) => error.code);
  if (inTransaction) {
    await client.query('ROLLBACK');
    await client.query('SELECT 1');
  }
  console.log(`${name}: ${rows} rows, ${state}, ${usable}`);
  await client.end();
}

async function main() {
  const rows = Number(process.argv[2]);
  const text = 'SELECT g FROM generate_series(1, $1::int) g';
  await read('simple', `SELECT g FROM generate_series(1, ${rows}) g`, false);
  await read('extended', { text, values: [rows] }, false);
  await read('named', { name: 'series', text, values: [rows] }, false);
  await read('in a transaction', { text, values: [rows] }, true);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
