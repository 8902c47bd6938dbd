#include "conf/pgbouncer_ini.hpp"

#include "conf/import_databases.hpp"
#include "conf/import_table.hpp"
#include "conf/value.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

using namespace weir::conf;

namespace {

/// A file of a temporary folder, removed at the end; `%SELF%` in its text stands for its own path.
class IniText {
public:
    explicit IniText(std::string text) {
        std::string name = (std::filesystem::temp_directory_path() / "weir_ini_XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder_ = name;
        path_ = (folder_ / "pgbouncer.ini").string();
        static constexpr std::string_view kSelf = "%SELF%";
        for (auto at = text.find(kSelf); at != std::string::npos; at = text.find(kSelf, at)) {
            text.replace(at, kSelf.size(), path_);
        }
        std::ofstream{path_} << text;
    }

    ~IniText() { std::filesystem::remove_all(folder_); }

    IniText(const IniText&) = delete;
    IniText& operator=(const IniText&) = delete;
    IniText(IniText&&) = delete;
    IniText& operator=(IniText&&) = delete;

    [[nodiscard]] IniFile read() const { return read_pgbouncer_ini(path_); }

private:
    std::filesystem::path folder_;
    std::string path_;
};

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) {
        all += text;
    }
    return all;
}

}  // namespace

TEST_SUITE_BEGIN("pgbouncer_ini");

TEST_CASE("ini: what follows a section on its line is read") {
    const IniFile file = IniText{"[databases] a = host=x\n[users][pgbouncer] b = 1\n"}.read();
    CHECK(file.problems.empty());
    REQUIRE(file.entries.size() == 2);
    CHECK(file.entries[0].section == "databases");
    CHECK(file.entries[0].key == "a");
    CHECK(file.entries[1].section == "pgbouncer");
    CHECK(file.entries[1].value == "1");
}

TEST_CASE("ini: a file that includes itself is refused once, wherever on the line it does") {
    for (const char* text :
         {"%include %SELF%\n", "[users] %include %SELF%\n", "[users][users]%include %SELF%\n"}) {
        CAPTURE(text);
        const IniFile file = IniText{repeated(text, 100)}.read();
        REQUIRE(file.problems.size() == 1);
        CHECK(file.problems[0].message.find("nested too deep") != std::string::npos);
    }
}

TEST_CASE("ini: a line of a million sections is read like any other") {
    const IniFile file = IniText{repeated("[users]", 1'000'000) + "[pgbouncer] b = 1\n"}.read();
    CHECK(file.problems.empty());
    REQUIRE(file.entries.size() == 1);
    CHECK(file.entries[0].section == "pgbouncer");
}

TEST_CASE("ini: a line has one problem, however many unknown sections it names") {
    const IniFile file = IniText{repeated("[a]", 1'000'000)}.read();
    REQUIRE(file.problems.size() == 1);
    CHECK(file.problems[0].message.find("unknown section [a]") != std::string::npos);
}

TEST_CASE("connection string: pairs between spaces, quotes, doubled quotes") {
    const auto pairs = parse_connection_string(
        " host=10.0.0.1\tport = 5433  connect_query='select ''x'' = 1' password='' dbname=a''b ");
    REQUIRE(pairs.value);
    CHECK(*pairs.value == IniPairs{{"host", "10.0.0.1"},
                                   {"port", "5433"},
                                   {"connect_query", "select 'x' = 1"},
                                   {"password", ""},
                                   {"dbname", "a''b"}});
    CHECK(parse_connection_string("").value->empty());
    CHECK(parse_connection_string("user=").value == IniPairs{{"user", ""}});
}

TEST_CASE("connection string: mistakes are named without the text, which may be a password") {
    for (const char* text :
         {"secret", "=x", "a=b secret", "password='secret", "password='secret''"}) {
        CAPTURE(text);
        const auto pairs = parse_connection_string(text);
        CHECK_FALSE(pairs.value);
        CHECK(pairs.problem.find("secret") == std::string::npos);
        CHECK_FALSE(pairs.problem.empty());
    }
}

TEST_CASE("import: seconds with decimals become durations") {
    CHECK(seconds_text("60").value == "1m");
    CHECK(seconds_text("1.5").value == "1500ms");
    CHECK(seconds_text("0").value == "0s");
    CHECK(seconds_text("0.0001").value == "1ms");
    for (const char* text : {"", "-1", "1s", "nan", "inf", "1e99", " 1"}) {
        CAPTURE(text);
        CHECK_FALSE(seconds_text(text).value);
    }
}

TEST_CASE("import: lists lose their spaces and empty entries") {
    CHECK(split_list(" a, b ,,c") == std::vector<std::string>{"a", "b", "c"});
    CHECK(split_list("").empty());
}

TEST_CASE("import table: every setting is there once, and says why it is not carried over") {
    std::set<std::string_view> seen;
    for (const KnownSetting& known : pgbouncer_settings()) {
        CAPTURE(known.name);
        CHECK(seen.insert(known.name).second);
        const bool is_left_out = known.carry == Carry::NotNeeded || known.carry == Carry::Missing;
        CHECK((known.key.empty() || !is_left_out));
        CHECK((!known.why.empty() || !is_left_out));
    }
    CHECK(seen.size() > 90);
    CHECK(find_pgbouncer_setting("pool_mode") != nullptr);
    CHECK(find_pgbouncer_setting("POOL_MODE") == nullptr);  // as PgBouncer: case counts
}

TEST_SUITE_END();
