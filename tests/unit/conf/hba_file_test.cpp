#include "conf/hba_file.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

using namespace weir;
using namespace weir::conf;

namespace {

class FakeFiles final : public FileAccess {
public:
    explicit FakeFiles(std::map<std::string, std::string> files = {}) : files_{std::move(files)} {}

    Parsed<std::string> read(const std::string& path) override {
        const auto found = files_.find(path);
        return found == files_.end() ? Parsed<std::string>::bad("cannot be read: No such file")
                                     : Parsed<std::string>::good(found->second);
    }

    bool exists(const std::string& path) override { return files_.contains(path); }

    Parsed<std::vector<std::string>> list(const std::string& folder) override {
        std::vector<std::string> paths;
        for (const auto& [path, text] : files_) {
            if (path.rfind(folder + "/", 0) == 0) {
                paths.push_back(path);
            }
        }
        return paths.empty() ? Parsed<std::vector<std::string>>::bad("cannot be read: No such file")
                             : Parsed<std::vector<std::string>>::good(paths);
    }

private:
    std::map<std::string, std::string> files_;
};

HbaFile parse(std::string_view text, std::map<std::string, std::string> files = {}) {
    FakeFiles access{std::move(files)};
    return parse_hba_file(text, "/etc/hba.conf", access);
}

std::string problem_of(std::string_view text, std::map<std::string, std::string> files = {}) {
    const HbaFile file = parse(text, std::move(files));
    return file.problems.size() == 1 ? file.problems.front().text() : "(not one problem)";
}

HbaRule only(std::string_view text, std::map<std::string, std::string> files = {}) {
    HbaFile file = parse(text, std::move(files));
    CHECK(file.problems.empty());
    REQUIRE(file.rules.size() == 1);
    return file.rules.front();
}

}  // namespace

TEST_SUITE_BEGIN("hba file");

TEST_CASE("hba file: PostgreSQL's own example is understood") {
    const HbaFile file = parse(R"(
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     peer map=omicron
host    all             all             127.0.0.1/32            trust
host    all             all             127.0.0.1 255.255.255.255 trust
host    all             all             ::1/128                 scram-sha-256
host    postgres        all             192.168.93.0/24         md5
hostssl all             all             0.0.0.0/0               cert map=people clientcert=verify-full
hostnossl all           mike            .example.com            md5
host    all,"all"       "bob builder",@admins  samenet          password # why not
host    replication     "+odd"          all                     reject
)",
                               {{"/etc/admins", "root, alice\n\n# nobody else\n\"x y\"\n"}});
    REQUIRE(file.problems.size() == 1);
    CHECK(file.problems[0].line == 9);
    REQUIRE(file.rules.size() == 8);
    CHECK(file.rules[0].connection == HbaConnection::Local);
    CHECK(file.rules[0].method == HbaMethod::Peer);
    CHECK(file.rules[0].map == "omicron");
    CHECK(file.rules[0].place == "/etc/hba.conf:3");
    CHECK(file.rules[1].address == file.rules[2].address);
    CHECK(file.rules[3].address.network.is_v6);
    CHECK(file.rules[5].client_cert == HbaClientCert::VerifyFull);
    const HbaRule& lists = file.rules[6];
    REQUIRE(lists.databases.size() == 2);
    CHECK(lists.databases[0].kind == HbaDatabase::Kind::All);
    CHECK(lists.databases[1].kind == HbaDatabase::Kind::Name);  // quoted: a database of that name
    CHECK(lists.address.kind == HbaAddress::Kind::SameNet);
    REQUIRE(lists.users.size() == 4);
    CHECK(lists.users[0].text() == "bob builder");
    CHECK(lists.users[1].text() == "root");
    CHECK(lists.users[2].text() == "alice");
    CHECK(lists.users[3].text() == "x y");
    CHECK(file.rules[7].databases[0].kind == HbaDatabase::Kind::Replication);
    CHECK(file.rules[7].users[0].text() == "+odd");
    CHECK(file.rules[7].method == HbaMethod::Reject);
}

TEST_CASE("hba file: quotes, commas, comments and continued lines are PostgreSQL's") {
    const HbaRule rule = only(
        "host a, b,\"c\"\"d\",e\"f g\"h \\\n  all all \"trust\"#x\n"
        "# a comment \\\nwith more of it\n"
        "\r\n \t");
    CHECK(rule.method == HbaMethod::Trust);
}

TEST_CASE("hba file: words in a list are told apart by commas alone") {
    const HbaRule rule = only("local a, b,\"c\"\"d\",e\"f g\"h all trust");
    REQUIRE(rule.databases.size() == 4);
    CHECK(rule.databases[1].name.text() == "b");
    CHECK(rule.databases[2].name.text() == "c\"d");
    CHECK(rule.databases[3].name.text() == "ef gh");
}

TEST_CASE("hba file: regular expressions match names, and all means all") {
    const HbaRule rule = only(R"(local /^db[0-9]+$ /^app_,"/plain" trust)");
    CHECK(rule.databases[0].name.matches("db42"));
    CHECK_FALSE(rule.databases[0].name.matches("db"));
    CHECK(rule.users[0].matches("app_x"));
    CHECK_FALSE(rule.users[0].matches("app_" + std::string(100, 'x')));
    CHECK(rule.users[1].matches("/plain"));
    CHECK(only("local all all trust").is_for_all_users);
}

TEST_CASE("hba file: other files are included where they are named") {
    const std::map<std::string, std::string> files = {
        {"/etc/more.conf", "local b all reject\ninclude_if_exists ../etc/last.conf\n"},
        {"/etc/../etc/last.conf", "local c all reject"},
        {"/etc/d/1.conf", "local d all reject"},
        {"/etc/d/2.conf", "local e all reject"}};
    const HbaFile file = parse(
        "local a all reject\ninclude more.conf\ninclude_if_exists missing.conf\n"
        "include_dir d\nlocal f all reject\n",
        files);
    CHECK(file.problems.empty());
    std::string order;
    for (const HbaRule& rule : file.rules) {
        order += rule.databases.front().name.text();
    }
    CHECK(order == "abcdef");
    CHECK(file.rules[1].place == "/etc/more.conf:1");
}

TEST_CASE("hba file: files that include each other end") {
    const HbaFile file = parse("include a", {{"/etc/a", "include a"}});
    REQUIRE(file.problems.size() == 1);
    CHECK(file.problems[0].text() == "/etc/a:1:9: files are nested more than 10 deep");
    CHECK(problem_of("local all @x trust", {{"/etc/x", "@x"}}).find("nested") != std::string::npos);
}

TEST_CASE("hba file: a list that is empty stands for nobody") {
    const HbaRule rule = only("local all @none trust", {{"/etc/none", "# nobody\n"}});
    CHECK_FALSE(rule.is_for_all_users);
    for (const NamePattern& user : rule.users) {
        CHECK_FALSE(user.matches("all"));
    }
}

TEST_CASE("hba file: every mistake has its file, line and column") {
    struct Row {
        const char* text;
        const char* problem;
    };

    const std::vector<Row> rows = {
        {"hosts all all all trust", "1:1: \"hosts\" is no connection type"},
        {"\n\nhost", "3:1: ends before the database"},
        {"host all", "1:6: ends before the user"},
        {"host all all", "1:10: ends before the address"},
        {"host all all all", "1:14: ends before the method"},
        {"local all all", "1:11: ends before the method"},
        {"host all all 10.0.0.1 trust",
         "1:14: \"10.0.0.1\" has \"trust\" behind it, which is no mask"},
        {"host all all 10.0.0.1", "1:14: \"10.0.0.1\" has no mask"},
        {"host all all 10.0.0.0/33 trust", "1:14: \"10.0.0.0/33\" has no prefix length of 0 to 32"},
        {"host all all ::/129 trust", "1:14: \"::/129\" has no prefix length of 0 to 128"},
        {"host all all 10.0.0.0/ trust", "1:14: \"10.0.0.0/\" has no prefix length"},
        {"host all all 10.0.0.0 255.0.255.0 trust", "is no mask"},
        {"host all all 10.0.0.0 ffff:: trust", "is no mask"},
        {"host all all db.example.com trust", "host names are not supported"},
        {"host all all \"all\" trust", "1:14: \"all\" is no address"},
        {"host all all all gss", "1:18: \"gss\" is no method that is supported; accepted: trust"},
        {"host all all all ldap ldapserver=x", "no method that is supported"},
        {"host all all all peer", "peer is for local lines"},
        {"host all all all cert", "cert is for hostssl lines"},
        {"local all all cert", "cert is for hostssl lines"},
        {"host all +admins all md5", "1:10: +admins is not supported"},
        {"host samerole all all md5", "1:6: samerole is not supported"},
        {"host +x all all md5", "1:6: +x is not supported"},
        {"host all all all md5 map=x", "map takes a name, with the methods cert and peer"},
        {"local all all peer map=", "map takes a name"},
        {"local all all peer what", "1:20: \"what\" is no option"},
        {"local all all peer what=1", "1:20: \"what\" is no option that is supported"},
        {"host all all all md5 clientcert=verify-ca", "clientcert is for hostssl lines"},
        {"hostssl all all all md5 clientcert=1", "clientcert accepts verify-ca and verify-full"},
        {"hostssl all all all cert clientname=DN", "clientname accepts CN and nothing else"},
        {"host all /( all md5", "1:10: /( is no regular expression"},
        {"host all \"open all md5", "the quotes do not end"},
        {"local all @missing trust", "1:11: the file \"/etc/missing\" cannot be read"},
        {"include", "1:1: include takes one path"},
        {"include a b", "1:1: include takes one path"},
        {"include missing", "1:9: the file \"/etc/missing\" cannot be read"},
        {"include_dir missing", "1:13: the folder \"/etc/missing\" cannot be read"},
        {"host,local all all all trust", "the connection type is a list"},
        {"local all all trust,md5", "the method is a list"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const std::string problem = problem_of(row.text);
        CHECK_MESSAGE(problem.rfind("/etc/hba.conf:", 0) == 0, problem);
        CHECK_MESSAGE(problem.find(row.problem) != std::string::npos, problem);
    }
}

TEST_CASE("hba file: one bad line does not hide the others, and hostgssenc is noted") {
    const HbaFile file =
        parse("bad\nhostgssenc all all all md5\nworse\nhostnogssenc all all all md5");
    CHECK(file.problems.size() == 2);
    CHECK(file.rules.size() == 2);
    REQUIRE(file.notes.size() == 1);
    CHECK(file.notes[0].rfind("/etc/hba.conf:2: hostgssenc never matches", 0) == 0);
}

TEST_CASE("hba file: no text brings the reader down, whatever it is cut or changed to") {
    const std::string text =
        "host \"a b\",c\"\"d,/^x all 10.0.0.0 255.0.0.0 cert map=x \\\n# y\nlocal @f,, +r \"trust\n"
        "include f\nhostssl all all ::1/128 md5 clientcert=verify-ca\n";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const HbaFile head = parse(text.substr(0, cut), {{"/etc/f", "a,b \"c"}});
        const HbaFile tail = parse(text.substr(cut), {{"/etc/f", "@f"}});
        CHECK(head.rules.size() + tail.rules.size() <= 8);
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char c : {'"', ',', '\n', '\\', '#', '@', '/', '\0', '\xff', ' '}) {
            std::string changed = text;
            changed[at] = c;
            CHECK(parse(changed, {{"/etc/f", ",\n\",\""}}).rules.size() <= 8);
        }
    }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("ident file");

namespace {

IdentFile idents(std::string_view text) {
    FakeFiles access;
    return parse_ident_file(text, "/etc/ident.conf", access);
}

}  // namespace

TEST_CASE("ident file: names, expressions and what their parentheses stand for") {
    const IdentFile file = idents(
        "# MAP SYSTEM USER\n"
        "m  bryanh  bryanh\n"
        "m  ann     bob\n"
        "m  /^(.*)@example\\.com$  \\1\n"
        "m  /^(.*)@guests$  guest_\\1\n"
        "m  root    all\n"
        "m  ops     /^app_\n"
        "other ann  ann\n");
    CHECK(file.problems.empty());
    const auto& rules = file.rules;
    CHECK(may_be(rules, "m", "bryanh", "bryanh"));
    CHECK(may_be(rules, "m", "ann", "bob"));
    CHECK_FALSE(may_be(rules, "m", "ann", "ann"));
    CHECK(may_be(rules, "other", "ann", "ann"));
    CHECK(may_be(rules, "m", "eve@example.com", "eve"));
    CHECK_FALSE(may_be(rules, "m", "eve@example.com", "root"));
    CHECK_FALSE(may_be(rules, "m", "eve@example.com.evil", "eve"));
    CHECK(may_be(rules, "m", "x@guests", "guest_x"));
    CHECK(may_be(rules, "m", "root", "anybody"));
    CHECK(may_be(rules, "m", "ops", "app_1"));
    CHECK_FALSE(may_be(rules, "m", "ops", "postgres"));
    CHECK_FALSE(may_be(rules, "missing", "ann", "ann"));
    CHECK(may_be(rules, "", "ann", "ann"));
    CHECK_FALSE(may_be(rules, "", "ann", "bob"));
    CHECK_FALSE(may_be(rules, "", "", ""));
    CHECK_FALSE(may_be(rules, "m", "", "anybody"));
}

TEST_CASE("ident file: every mistake has its place") {
    const auto problem = [](std::string_view text) {
        const IdentFile file = idents(text);
        CHECK(file.rules.empty());
        return file.problems.size() == 1 ? file.problems.front().text() : "(not one problem)";
    };
    CHECK(problem("a b") ==
          "/etc/ident.conf:1:1: has 2 columns; accepted: map, system user, "
          "database user");
    CHECK(problem("a b c d").find("has 4 columns") != std::string::npos);
    CHECK(problem("\n a b,c d").find(":2:2: has a list") != std::string::npos);
    CHECK(problem("a /( d").find("/( is no regular expression") != std::string::npos);
    CHECK(problem("a x /[").find("/[ is no regular expression") != std::string::npos);
    CHECK(problem("a x +admins").find("+admins is not supported") != std::string::npos);
    CHECK(problem("a /x \\1").find("\\1 wants what parentheses match") != std::string::npos);
}

TEST_SUITE_END();
