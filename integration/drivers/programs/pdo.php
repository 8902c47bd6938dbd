<?php
// What PDO and PHP's pgsql do with a connection: php pdo.php work | ask SQL | admin. Lines are compared with those of
// a direct connection, but for lines that begin with '#'.

$backends = [];

function connected(array $options = []): PDO
{
    $where = sprintf('pgsql:host=%s;port=%s;dbname=%s;sslmode=disable', getenv('WEIR_HOST'), getenv('WEIR_PORT'), getenv('WEIR_DATABASE'));
    return new PDO($where, getenv('WEIR_USER'), null, $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function told(array $row): string
{
    return implode(',', array_map(fn ($value) => $value === null ? 'null' : var_export($value, true), $row));
}

function run(string $name, callable $what, array $options = []): void
{
    try {
        $what(connected($options));
        echo "$name: done\n";
    } catch (PDOException $error) {
        echo "$name: {$error->getCode()} {$error->getMessage()}\n";
    }
}

function fails(callable $what): void
{
    try {
        $what();
        echo "  did not fail\n";
    } catch (PDOException $error) {
        echo "  fails: {$error->getCode()}\n";
    }
}

/** Each statement object is pdo_stmt_00000001 and so on, and says DEALLOCATE when it goes away. */
function prepared(PDO $connection): void
{
    global $backends;
    $kept = $connection->prepare('SELECT pg_backend_pid(), :a::int * 2, :b::text');
    for ($i = 0; $i < 40; ++$i) {
        $kept->execute(['a' => $i, 'b' => "é$i"]);
        $row = $kept->fetch(PDO::FETCH_NUM);
        $backends[array_shift($row)] = true;
        echo '  ' . told($row) . "\n";
    }
    for ($i = 0; $i < 20; ++$i) {
        $statement = $connection->prepare("SELECT ?::int + $i, ?::bool");
        $statement->bindValue(1, $i, PDO::PARAM_INT);
        $statement->bindValue(2, $i % 2 === 0, PDO::PARAM_BOOL);
        $statement->execute();
        echo '  ' . told($statement->fetch(PDO::FETCH_NUM)) . "\n";
        unset($statement);
    }
}

function errors(PDO $connection): void
{
    for ($i = 0; $i < 10; ++$i) {
        $statement = $connection->prepare('SELECT 10 / ?::int');
        fails(fn () => $statement->execute([0]));
        $statement->execute([5]);
        echo '  ' . told($statement->fetch(PDO::FETCH_NUM)) . "\n";
        fails(fn () => $connection->prepare('SELEC')->execute());
    }
}

function transactions(PDO $connection): void
{
    $connection->exec('CREATE TABLE pdo_t (id serial PRIMARY KEY, name text UNIQUE)');
    for ($i = 0; $i < 10; ++$i) {
        $connection->beginTransaction();
        $statement = $connection->prepare('INSERT INTO pdo_t (name) VALUES (?)');
        $statement->execute(["n$i"]);
        echo '  ' . $connection->lastInsertId() . ' ' . $statement->rowCount() . "\n";
        if ($i % 3 === 0) {
            fails(fn () => $statement->execute(["n$i"]));
            unset($statement);  // DEALLOCATE in a failed transaction
            $connection->rollBack();
        } else {
            $connection->commit();
        }
    }
    echo '  ' . told($connection->query('SELECT count(*), max(name) FROM pdo_t')->fetch(PDO::FETCH_NUM)) . "\n";
    $connection->exec('DROP TABLE pdo_t');
}

function cursors(PDO $connection): void
{
    for ($turn = 0; $turn < 5; ++$turn) {
        $connection->beginTransaction();
        $statement = $connection->prepare('SELECT generate_series(1, ?::int)', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
        $statement->execute([20]);
        $last = $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST);
        $first = $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_FIRST);
        echo '  ' . told([$last[0], $first[0]]) . "\n";
        unset($statement);
        $connection->commit();
    }
}

function copied(PDO $connection): void
{
    $connection->beginTransaction();
    $connection->exec('CREATE TEMP TABLE pdo_c (id int, name text) ON COMMIT DROP');
    $connection->pgsqlCopyFromArray('pdo_c', array_map(fn ($i) => "$i\tname $i", range(1, 500)));
    echo '  ' . count($connection->pgsqlCopyToArray('pdo_c')) . "\n";
    $oid = $connection->pgsqlLOBCreate();
    $stream = $connection->pgsqlLOBOpen($oid, 'w');
    fwrite($stream, 'weir');
    $stream = null;
    echo '  ' . stream_get_contents($connection->pgsqlLOBOpen($oid)) . "\n";
    $connection->pgsqlLOBUnlink($oid);
    $connection->commit();
}

/** The older functions: pg_query_params, pg_prepare, pg_send_query. */
function older(): void
{
    $connection = pg_connect(sprintf('host=%s port=%s dbname=%s user=%s sslmode=disable', getenv('WEIR_HOST'), getenv('WEIR_PORT'), getenv('WEIR_DATABASE'), getenv('WEIR_USER')));
    pg_prepare($connection, 'S_1', 'SELECT $1::int * 3');
    for ($i = 0; $i < 20; ++$i) {
        echo '  ' . told(pg_fetch_row(pg_execute($connection, 'S_1', [$i]))) . ' ' . told(pg_fetch_row(pg_query_params($connection, 'SELECT $1::text', ["x$i"]))) . "\n";
    }
    $result = pg_query($connection, 'SELECT 1; SELECT 2');
    echo '  ' . told(pg_fetch_row($result)) . ' ' . count(pg_meta_data($connection, 'pg_catalog.pg_am')) . "\n";
    pg_close($connection);
    echo "older: done\n";
}

function work(): void
{
    global $backends;
    run('prepared', 'prepared');
    run('emulated', 'prepared', [PDO::ATTR_EMULATE_PREPARES => true]);
    run('never prepared', 'prepared', [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);
    run('errors', 'errors');
    run('transactions', 'transactions');
    run('cursors', 'cursors');
    run('copied', 'copied');
    older();
    echo '# backends ' . count($backends) . "\n";
}

/** One prepared statement, run once for each line read; after an error it is prepared anew. */
function ask(string $sql): void
{
    $connection = connected();
    $statement = $connection->prepare($sql);
    while (fgets(STDIN) !== false) {
        try {
            $statement->execute();
            $row = $statement->fetch(PDO::FETCH_ASSOC);
            echo implode(',', array_map(fn ($name) => $name . '=' . ($row[$name] ?? 'null'), array_keys($row))) . "\n";
        } catch (PDOException $error) {
            $statement = $connection->prepare($sql);
            echo "!{$error->getCode()}\n";
        }
    }
}

function admin(): void
{
    foreach ([[], [PDO::ATTR_EMULATE_PREPARES => true]] as $options) {
        $connection = connected($options);
        foreach (['SHOW POOLS', 'SHOW STATS'] as $command) {
            $statement = $connection->prepare($command);
            for ($i = 0; $i < 3; ++$i) {
                $statement->execute();
                $rows = $statement->fetchAll(PDO::FETCH_ASSOC);
                echo "$command " . array_key_first($rows[0]) . ' ' . (count($rows) > 0) . "\n";
            }
        }
    }
}

match ($argv[1]) {
    'work' => work(),
    'ask' => ask($argv[2]),
    'admin' => admin(),
};
