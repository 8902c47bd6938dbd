# What Ruby's pg does with a connection, used as Active Record uses it: ruby ruby_pg.rb work | ask SQL | admin. Lines are
# compared with those of a direct connection, but for lines that begin with '#'.
require 'English'
require 'pg'

$stdout.sync = true
BACKENDS = {}

def connected
  PG.connect(host: ENV['WEIR_HOST'], port: ENV['WEIR_PORT'], user: ENV['WEIR_USER'], dbname: ENV['WEIR_DATABASE'],
             sslmode: 'disable', gssencmode: 'disable', connect_timeout: 10)
end

def state(error)
  error.result&.error_field(PG::PG_DIAG_SQLSTATE) || error.message
end

def run(name)
  connection = connected
  yield connection
  puts "#{name}: done"
rescue PG::Error => e
  puts "#{name}: #{state(e)} #{e.message}"
ensure
  connection&.close
end

def fails
  yield
  puts '  did not fail'
rescue PG::Error => e
  puts "  fails: #{state(e)}"
end

# Active Record's pool of statements: named a1, a2, …; the one used least is deallocated, and so is one that a schema
# change made useless (0A000), which is then prepared again; inside a transaction that is left to the application.
class Statements
  def initialize(connection, max)
    @connection, @max, @names, @counter = connection, max, {}, 0
  end

  def exec(sql, values)
    @connection.exec_prepared(prepare(sql), values)
  rescue PG::FeatureNotSupported, PG::InvalidSqlStatementName
    raise if @connection.transaction_status == PG::PQTRANS_INERROR
    forget(sql)
    raise if (@retries = (@retries || 0) + 1) > 3
    retry
  ensure
    @retries = 0 if $!.nil?
  end

  def forget(sql)
    name = @names.delete(sql)
    @connection.exec("DEALLOCATE #{name}") if name && @connection.transaction_status != PG::PQTRANS_INERROR
  rescue PG::InvalidSqlStatementName
    nil
  end

  # What Active Record does when the connection is reset: DISCARD ALL, and it counts on.
  def clear
    @names.clear
  end

  private

  def prepare(sql)
    if (name = @names.delete(sql))
      return @names[sql] = name
    end
    forget(@names.keys.first) if @names.size >= @max
    name = "a#{@counter += 1}"
    @connection.prepare(name, sql)
    @names[sql] = name
  end
end

# What Active Record says to a new connection.
def configure(connection)
  connection.exec('SET client_min_messages TO \'warning\'')
  connection.exec('SET standard_conforming_strings = on')
  connection.exec('SET intervalstyle = iso_8601')
  connection.exec("SET SESSION timezone TO 'UTC'")
  connection.exec("SELECT t.oid, t.typname FROM pg_type AS t WHERE t.typname IN ('int4', 'text')").ntuples
end

def work
  run('rails') do |connection|
    puts "  #{configure(connection)}"
    statements = Statements.new(connection, 4)
    60.times do |i|
      row = statements.exec("SELECT pg_backend_pid(), $1::int + #{i % 6}, $2::text", [i, "é#{i}"]).values.first
      BACKENDS[row.shift] = true
      puts "  #{row.join(',')}"
    end
    puts "  #{statements.exec("SELECT now()::text LIKE '%+00', '1 day'::interval", []).values.first.join(',')}"
    connection.exec('BEGIN')
    fails { statements.exec('SELECT 1/$1::int', [0]) }
    fails { statements.exec('SELECT $1::int', [0]) }
    connection.exec('ROLLBACK')
    puts "  #{statements.exec('SELECT $1::int', [4]).getvalue(0, 0)}"
    connection.exec('DISCARD ALL')
    statements.clear
    configure(connection)
    12.times { |i| puts "  #{statements.exec("SELECT $1::int * #{i % 3}", [i]).getvalue(0, 0)}" }
  end
  run('deallocated') do |connection|
    10.times do
      connection.prepare('a1', 'SELECT $1::int')
      connection.prepare('a2', "SELECT 'two'")
      puts "  #{connection.exec_prepared('a1', [1]).getvalue(0, 0)} #{connection.exec_prepared('a2').getvalue(0, 0)}"
      connection.exec('DEALLOCATE a1')
      fails { connection.exec_prepared('a1', [1]) }
      puts "  #{connection.describe_prepared('a2').nfields}"
      connection.exec('DEALLOCATE ALL')
      fails { connection.exec_prepared('a2') }
      fails { connection.exec('DEALLOCATE a2') }
    end
  end
  run('transactions') do |connection|
    connection.exec('CREATE TABLE ruby_t (id int PRIMARY KEY)')
    connection.prepare('put', 'INSERT INTO ruby_t VALUES ($1) RETURNING id')
    10.times do |i|
      connection.transaction do |inside|
        inside.exec('SAVEPOINT active_record_1')
        puts "  #{inside.exec_prepared('put', [i]).getvalue(0, 0)}"
        begin
          inside.exec_prepared('put', [i])
        rescue PG::UniqueViolation => e
          puts "  #{state(e)}"
          inside.exec('ROLLBACK TO SAVEPOINT active_record_1')
        end
      end
    end
    connection.exec('DROP TABLE ruby_t')
  end
  run('pipelined') do |connection|
    8.times do |turn|
      connection.enter_pipeline_mode
      20.times { |i| connection.send_query_params('SELECT $1::int', [i + turn]) }
      connection.pipeline_sync
      sum = 0
      until (result = connection.get_result).nil? && (result = connection.get_result).nil?
        break if result.result_status == PG::PGRES_PIPELINE_SYNC

        sum += result.getvalue(0, 0).to_i
      end
      connection.exit_pipeline_mode
      puts "  #{sum}"
    end
  end
  run('row by row') do |connection|
    connection.send_query('SELECT generate_series(1, 500)')
    connection.set_single_row_mode
    puts "  #{connection.get_result.stream_each_row.sum { |row| row[0].to_i }}"
  end
  run('copied') do |connection|
    connection.transaction do |inside|
      inside.exec('CREATE TEMP TABLE ruby_c (id int, name text) ON COMMIT DROP')
      inside.copy_data('COPY ruby_c FROM STDIN') { 1000.times { |i| inside.put_copy_data("#{i}\tname #{i}\n") } }
      lines = 0
      inside.copy_data('COPY ruby_c TO STDOUT') { lines += 1 while inside.get_copy_data }
      puts "  #{lines}"
    end
  end
  run('cancelled') do |connection|
    connection.send_query("SELECT pg_sleep(15) AS ruby#{$PID}")
    watcher = connected  # a cancel request that comes before its statement runs cancels nothing
    running = "SELECT FROM pg_stat_activity WHERE query LIKE '%AS ruby' || $1 AND state = 'active'"
    sleep 0.01 until watcher.exec_params(running, [$PID]).ntuples == 1
    watcher.close
    connection.cancel
    fails { connection.get_last_result }
    puts "  #{connection.exec('SELECT 9').getvalue(0, 0)}"
  end
  puts "# backends #{BACKENDS.size}"
end

# One prepared statement, run once for each line read. After an error it is prepared anew, as Active Record does, but
# the error is told.
def ask(sql)
  connection = connected
  counter = 1
  connection.prepare("a#{counter}", sql)
  $stdin.each_line do
    result = connection.exec_prepared("a#{counter}")
    puts result.fields.zip(result.values.first).map { |name, value| "#{name}=#{value || 'null'}" }.join(',')
  rescue PG::Error => e
    connection.exec("DEALLOCATE a#{counter}")
    connection.prepare("a#{counter += 1}", sql)
    puts "!#{state(e)}"
  end
end

def admin
  connection = connected
  ['SHOW POOLS', 'SHOW STATS'].each do |command|
    connection.prepare("a #{command}", command)
    3.times do
      results = [connection.exec(command), connection.exec_params(command, []), connection.exec_prepared("a #{command}")]
      puts "#{command} #{results.map { |result| [result.fields.first, result.ntuples.positive?] }.join(',')}"
    end
  end
end

case ARGV[0]
when 'work' then work
when 'ask' then ask(ARGV[1])
when 'admin' then admin
else exit 2
end
