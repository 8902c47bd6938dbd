// What libpqxx does with a connection: pqxx_program work | ask SQL | admin. Lines are compared with
// those of a direct connection, but for lines that begin with '#'.
#include <pqxx/pqxx>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace {

std::set<int> backends;

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string where() {
    return "host=" + setting("WEIR_HOST") + " port=" + setting("WEIR_PORT") +
           " user=" + setting("WEIR_USER") + " dbname=" + setting("WEIR_DATABASE") +
           " sslmode=disable gssencmode=disable connect_timeout=10";
}

void run(const char* name, const std::function<void(pqxx::connection&)>& what) {
    try {
        pqxx::connection connection{where()};
        what(connection);
        std::cout << name << ": done\n";
    } catch (const std::exception& error) {
        std::cout << name << ": " << error.what() << "\n";
    }
}

template <typename Work>
void fail(Work work) {
    try {
        work();
        std::cout << "  did not fail\n";
    } catch (const pqxx::sql_error& error) {
        std::cout << "  fails: " << error.sqlstate() << "\n";
    } catch (const std::exception& error) {  // the library's own
        std::cout << "  fails: " << error.what() << "\n";
    }
}

void prepared(pqxx::connection& connection) {
    connection.prepare("pid", "SELECT pg_backend_pid()");
    connection.prepare("twice", "SELECT $1::int * 2, $2::text");
    connection.prepare("S_1", "SELECT 'mine'");
    for (int i = 0; i < 40; ++i) {
        pqxx::work work{connection};
        backends.insert(work.exec_prepared1("pid")[0].as<int>());
        const pqxx::row row = work.exec_prepared1("twice", i, "é" + std::to_string(i));
        std::cout << "  " << row[0].as<int>() << " " << row[1].c_str() << " "
                  << work.exec_prepared1("S_1")[0].c_str() << "\n";
        work.commit();
    }
    connection.unprepare("S_1");
    fail([&] { pqxx::nontransaction{connection}.exec_prepared("S_1"); });
    connection.prepare("S_1", "SELECT 'new'");
    std::cout << "  " << pqxx::nontransaction{connection}.exec_prepared1("S_1")[0].c_str() << "\n";
    fail([&] { connection.prepare("S_1", "SELECT 'again'"); });
    connection.prepare("bad", "SELEC");  // sent when it is first used
    fail([&] { pqxx::nontransaction{connection}.exec_prepared("bad"); });
}

void parameters(pqxx::connection& connection) {
    for (int i = 0; i < 20; ++i) {
        pqxx::nontransaction work{connection};
        const pqxx::row row =
            work.exec_params1("SELECT $1::int + 1, $2::float8, $3::text", i, 0.5 * i, nullptr);
        std::cout << "  " << row[0].as<int>() << " " << row[1].as<double>() << " "
                  << row[2].is_null() << "\n";
    }
}

void pipelined(pqxx::connection& connection) {
    for (int turn = 0; turn < 5; ++turn) {
        pqxx::work work{connection};
        pqxx::pipeline line{work};
        line.retain(10);
        std::vector<pqxx::pipeline::query_id> ids;
        for (int i = 0; i < 25; ++i) {
            ids.push_back(line.insert("SELECT " + std::to_string(i)));
        }
        line.complete();
        int sum = 0;
        for (const auto id : ids) {
            sum += line.retrieve(id)[0][0].as<int>();
        }
        std::cout << "  " << sum << "\n";
    }
    fail([&] {
        pqxx::work work{connection};
        pqxx::pipeline line{work};
        line.retain(3);
        line.insert("SELECT 1");
        const auto failing = line.insert("SELECT 1/0");
        line.insert("SELECT 2");
        line.complete();
        line.retrieve(failing);
    });
    std::cout << "  " << pqxx::nontransaction{connection}.exec1("SELECT 6")[0].as<int>() << "\n";
}

void streamed(pqxx::connection& connection) {
    pqxx::work work{connection};
    work.exec0("CREATE TEMP TABLE pqxx_t (id int, name text) ON COMMIT DROP");
    pqxx::stream_to stream{work, "pqxx_t", std::vector<std::string>{"id", "name"}};
    for (int i = 0; i < 3000; ++i) {
        stream << std::make_tuple(i, "name\t" + std::to_string(i));
    }
    stream.complete();
    long sum = 0;
    pqxx::stream_from rows{work, "pqxx_t"};
    for (std::tuple<int, std::string> row; rows >> row;) {
        sum += std::get<0>(row) + static_cast<long>(std::get<1>(row).size());
    }
    rows.complete();
    std::cout << "  " << sum << "\n";
    work.commit();
}

void streamed_with_error(pqxx::connection& connection) {
    fail([&] {
        pqxx::work work{connection};
        work.exec0("CREATE TEMP TABLE pqxx_t (id int PRIMARY KEY) ON COMMIT DROP");
        pqxx::stream_to stream{work, "pqxx_t"};
        stream << std::make_tuple(1) << std::make_tuple(1);
        stream.complete();
    });
    std::cout << "  " << pqxx::nontransaction{connection}.exec1("SELECT 7")[0].as<int>() << "\n";
}

void transactions(pqxx::connection& connection) {
    pqxx::nontransaction{connection}.exec0("CREATE TABLE pqxx_k (id int PRIMARY KEY)");
    for (int i = 0; i < 10; ++i) {
        pqxx::work work{connection};
        work.exec_params0("INSERT INTO pqxx_k VALUES ($1)", i);
        try {
            pqxx::subtransaction inner{work};
            inner.exec0("INSERT INTO pqxx_k VALUES (" + std::to_string(i) + ")");
            inner.commit();
        } catch (const pqxx::unique_violation& error) {
            std::cout << "  " << error.sqlstate() << "\n";
        }
        if (i % 2 == 0) {
            work.commit();
        }
    }
    pqxx::transaction<pqxx::serializable, pqxx::read_only> reading{connection};
    std::cout << "  " << reading.exec1("SELECT sum(id) FROM pqxx_k")[0].as<int>() << " "
              << reading.exec1("SHOW transaction_isolation")[0].c_str() << "\n";
    fail([&] { reading.exec0("DELETE FROM pqxx_k"); });
    reading.abort();
    pqxx::perform([&] {
        pqxx::robusttransaction<> sure{connection};
        sure.exec0("DROP TABLE pqxx_k");
        sure.commit();
    });
}

void walked(pqxx::connection& connection) {
    for (int turn = 0; turn < 5; ++turn) {
        pqxx::work work{connection};
        pqxx::stateless_cursor<pqxx::cursor_base::read_only, pqxx::cursor_base::owned> cursor{
            work, "SELECT generate_series(1, 100)", "walk", false};
        std::cout << "  " << cursor.size() << " " << cursor.retrieve(40, 60).size() << "\n";
    }
}

int work() {
    run("prepared", prepared);
    run("parameters", parameters);
    run("pipelined", pipelined);
    run("streamed", streamed);
    run("streamed with error", streamed_with_error);
    run("transactions", transactions);
    run("walked", walked);
    std::cout << "# backends " << backends.size() << "\n";
    return 0;
}

/// One prepared statement, run once for each line read; after an error it is prepared anew.
int ask(const std::string& sql) {
    pqxx::connection connection{where()};
    connection.prepare("asked", sql);
    for (std::string line; std::getline(std::cin, line);) {
        try {
            const pqxx::result rows = pqxx::nontransaction{connection}.exec_prepared("asked");
            for (pqxx::row::size_type i = 0; i < rows.columns(); ++i) {
                std::cout << (i > 0 ? "," : "") << rows.column_name(i) << "="
                          << (rows[0][i].is_null() ? "null" : rows[0][i].c_str());
            }
            std::cout << std::endl;
        } catch (const pqxx::sql_error& error) {
            connection.unprepare("asked");
            connection.prepare("asked", sql);
            std::cout << "!" << error.sqlstate() << std::endl;
        }
    }
    return 0;
}

int admin() {
    pqxx::connection connection{where()};
    pqxx::nontransaction work{connection};
    for (const char* command : {"SHOW POOLS", "SHOW STATS"}) {
        for (int i = 0; i < 3; ++i) {
            const pqxx::result simple = work.exec(command);
            const pqxx::result extended = work.exec_params(command);
            std::cout << command << " " << simple.column_name(0) << " " << simple.empty() << " "
                      << extended.column_name(0) << " " << extended.empty() << "\n";
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "work") {
        return work();
    }
    if (mode == "ask" && argc > 2) {
        return ask(argv[2]);
    }
    return mode == "admin" ? admin() : 2;
}
