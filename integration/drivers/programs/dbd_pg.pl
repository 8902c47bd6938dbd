# What DBD::Pg does with a connection: perl dbd_pg.pl work | ask SQL | admin. Lines are compared with those of a
# direct connection, but for lines that begin with '#'.
use strict;
use warnings;
use DBI;
use DBD::Pg qw(:pg_types :async);

$| = 1;
my %backends;

sub connected {
    my %options = @_;
    my $where = "dbi:Pg:host=$ENV{WEIR_HOST};port=$ENV{WEIR_PORT};dbname=$ENV{WEIR_DATABASE};sslmode=disable";
    return DBI->connect($where, $ENV{WEIR_USER}, '', {RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, %options});
}

sub shown { return join ',', map { defined $_ ? $_ : 'null' } @_ }

sub run {
    my ($name, $what, %options) = @_;
    my $connection = connected(%options);
    eval { $what->($connection); print "$name: done\n"; 1 } or print "$name: ", $connection->state || $@, "\n";
    $connection->disconnect;
}

sub fails {
    my ($connection, $what) = @_;
    eval { $what->(); print "  did not fail\n"; 1 } or print '  fails: ', $connection->state || $@, "\n";
}

# A statement handle prepares at its first execute, and deallocates when it goes away.
sub prepared {
    my ($connection) = @_;
    my $sth = $connection->prepare('SELECT pg_backend_pid(), ?::int * 2, ?::text');
    for my $i (0 .. 39) {
        $sth->execute($i, "e$i");
        my ($pid, @row) = $sth->fetchrow_array;
        $backends{$pid} = 1;
        $sth->finish;
        print '  ', shown(@row), "\n";
    }
    for my $i (0 .. 19) {
        my $other = $connection->prepare("SELECT ?::int + $i");
        $other->execute(1);
        print '  ', shown($other->fetchrow_array), "\n";
        $other->execute(2);
        print '  ', shown($other->fetchrow_array), "\n";
        undef $other;    # says DEALLOCATE
    }
}

sub prepared_now { my ($connection) = @_; $connection->{pg_prepare_now} = 1; prepared($connection) }
sub in_transactions {
    my ($connection) = @_;
    $connection->{AutoCommit} = 0;
    for my $i (0 .. 9) {
        my $sth = $connection->prepare('SELECT 10 / ?::int');
        for my $by (1, 0, 2) {
            eval { $sth->execute($by); print '  ', shown($sth->fetchrow_array), "\n"; 1 } or print '  ', $connection->state, "\n";
        }
        undef $sth;      # in a failed transaction
        if ($i % 2) { $connection->rollback } else { $connection->commit }
    }
    $connection->do('CREATE TEMP TABLE dbd_t (id int PRIMARY KEY, name text) ON COMMIT DROP');
    $connection->pg_savepoint('here');
    fails($connection, sub { $connection->do('INSERT INTO dbd_t VALUES (1), (1)') });
    $connection->pg_rollback_to('here');
    my $insert = $connection->prepare('INSERT INTO dbd_t VALUES (?, ?)');
    print '  ', $insert->execute_array({}, [1 .. 50], [map { "n$_" } 1 .. 50]), "\n";
    print '  ', shown($connection->selectrow_array('SELECT count(*), sum(id) FROM dbd_t')), "\n";
    $connection->commit;
}

sub named {
    my ($connection) = @_;
    my $sth = $connection->prepare('SELECT 5', {pg_prepare_name => 'mine'});
    for (1 .. 5) { $sth->execute; print '  ', shown($sth->fetchrow_array), "\n"; $sth->finish }
}

sub types {
    my ($connection) = @_;
    my $sth = $connection->prepare('SELECT ?::bytea, ?::int[], ?::bool, ?::numeric');
    for my $i (1 .. 5) {
        $sth->bind_param(1, "\x00\x01\xff", {pg_type => PG_BYTEA});
        $sth->bind_param(2, [1, 2, $i]);
        $sth->bind_param(3, 1);
        $sth->bind_param(4, '1.50');
        $sth->execute;
        my @row = $sth->fetchrow_array;
        print '  ', unpack('H*', $row[0]), ' ', join('-', @{$row[1]}), " $row[2] $row[3]\n";
        $sth->finish;
    }
    my $columns = $connection->column_info(undef, 'pg_catalog', 'pg_am', '%');
    print '  ', join(' ', map { $_->{COLUMN_NAME} } @{$columns->fetchall_arrayref({})}), "\n";
    print '  ', $connection->ping, "\n";
}

sub copied {
    my ($connection) = @_;
    $connection->begin_work;
    $connection->do('CREATE TEMP TABLE dbd_c (id int, name text) ON COMMIT DROP');
    $connection->do('COPY dbd_c FROM STDIN');
    $connection->pg_putcopydata("$_\tname $_\n") for 1 .. 1000;
    $connection->pg_putcopyend;
    $connection->do('COPY (SELECT * FROM dbd_c ORDER BY id) TO STDOUT');
    my ($line, $count) = ('', 0);
    $count++ while $connection->pg_getcopydata($line) >= 0;
    print "  $count\n";
    $connection->commit;
}

sub asynchronous {
    my ($connection) = @_;
    for my $i (1 .. 5) {
        my $sth = $connection->prepare('SELECT ?::int', {pg_async => PG_ASYNC});
        $sth->execute($i);
        $connection->pg_result;
        print '  ', shown($sth->fetchrow_array), "\n";
    }
    my $sth = $connection->prepare("SELECT pg_sleep(15) AS perl$$", {pg_async => PG_ASYNC});
    $sth->execute;
    my $watcher = connected();    # a cancel request that comes before its statement runs cancels nothing
    my $running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS perl$$' AND state = 'active'";
    select undef, undef, undef, 0.01 until $watcher->selectrow_array($running);
    $watcher->disconnect;
    $connection->pg_cancel;
    print '  ', shown($connection->selectrow_array('SELECT 8')), "\n";
}

sub work {
    run('prepared by second use', \&prepared);
    run('prepared at first use', \&prepared, pg_switch_prepared => 1);
    run('prepared now', \&prepared_now);
    run('never prepared', \&prepared, pg_server_prepare => 0);
    run('in transactions', \&in_transactions, pg_switch_prepared => 1);
    run('named', \&named, pg_switch_prepared => 1);
    run('types', \&types, pg_switch_prepared => 1);
    run('copied', \&copied);
    run('asynchronous', \&asynchronous);
    print '# backends ', scalar(keys %backends), "\n";
}

# One prepared statement, run once for each line read; after an error it is prepared anew.
sub ask {
    my ($sql) = @_;
    my $connection = connected(pg_switch_prepared => 1);
    $sql .= ' WHERE ?::int = 1';    # only what has a parameter does the driver prepare
    my $sth = $connection->prepare($sql);
    while (<STDIN>) {
        my $answer = eval {
            $sth->execute(1);
            my $names = $sth->{NAME};
            my @row = $sth->fetchrow_array;
            $sth->finish;
            join ',', map { "$names->[$_]=" . (defined $row[$_] ? $row[$_] : 'null') } 0 .. $#row;
        };
        if (!defined $answer) {
            $answer = '!' . $connection->state;
            $sth = $connection->prepare($sql);
        }
        print "$answer\n";
    }
}

sub admin {
    for my $options ([], [pg_switch_prepared => 1], [pg_server_prepare => 0]) {
        my $connection = connected(@$options);
        for my $command ('SHOW POOLS', 'SHOW STATS') {
            my $sth = $connection->prepare($command);
            for (1 .. 4) {
                $sth->execute;
                print "$command $sth->{NAME}[0] ", scalar(@{$sth->fetchall_arrayref}) > 0, "\n";
            }
        }
        $connection->disconnect;
    }
}

my ($mode, @arguments) = @ARGV;
{ work => \&work, ask => \&ask, admin => \&admin }->{$mode}->(@arguments);
