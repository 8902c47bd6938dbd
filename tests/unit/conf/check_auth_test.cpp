#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

constexpr std::string_view kQuery =
    "query = \"SELECT usename, passwd FROM pg_shadow WHERE usename=$1 AND valuntil > now()\"\n";

std::string verifier_of(const char* user) {
    return "[user." + std::string{user} +
           "]\npassword = "
           "\"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$"
           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n";
}

}  // namespace

TEST_SUITE_BEGIN("check auth");

TEST_CASE("check auth: a query needs who asks it, and who asks a query") {
    CHECK(only_text(load_with_base("[auth]\n" + std::string{kQuery})) ==
          "weir.toml:7:9: auth.query: nobody is named to run it; accepted: a user in query_user "
          "too");
    CHECK(
        only_text(load_with_base("[auth]\nquery_user = \"asker\"\n"))
            .find("weir.toml:7:14: auth.query_user: names who runs auth.query, and there is no") ==
        0);
    CHECK(only_text(load_with_base("[auth]\nquery_user = \"a\"\nquery = \"SELECT 1\"\n")) ==
          "weir.toml:8:9: auth.query: has no $1, which stands for the user's name");
    const LoadResult both =
        load_with_base("[auth]\nquery_user = \"asker\"\n" + std::string{kQuery});
    CHECK(only_text(both).empty());
    CHECK(notes_text(both).empty());
    REQUIRE(both.config != nullptr);
    CHECK(both.config->user_query_for("shop").database == "shop");
    CHECK(both.config->user_query_for("shop").user == "asker");
    CHECK(both.config->user_query_for("missing").query.empty());
    CHECK(both.config->user_query_for("weir").query.empty());  // the console
}

TEST_CASE("check auth: who asks must be able to log in to PostgreSQL") {
    const std::string text = only_text(load_with_base("[auth]\nquery_user = \"asker\"\n" +
                                                      std::string{kQuery} + verifier_of("asker")));
    CHECK(text.find(
              "weir.toml:7:14: auth.query_user: \"asker\" has a SCRAM verifier for a secret") == 0);
}

TEST_CASE("check auth: a database may have a query of its own") {
    const LoadResult result = load_whole(
        "[cluster.main]\nservers = [\"h:1\"]\n[auth]\nquery_user = \"asker\"\nquery_database = "
        "\"users\"\n" +
        std::string{kQuery} +
        "[database.users]\n[database.shop]\nauth_query = \"SELECT 1, $1\"\nauth_query_user = "
        "\"other\"\n[database.\"*\"]\nauth_query_database = \"shop\"\n");
    CHECK(only_text(result).empty());
    REQUIRE(result.config != nullptr);
    const UserQuery shop = result.config->user_query_for("shop");
    CHECK(shop.query == "SELECT 1, $1");
    CHECK(shop.user == "other");
    CHECK(shop.database == "users");
    CHECK(result.config->user_query_for("anything").database == "shop");
    CHECK(result.config->user_query_for("weir").database == "users");
    CHECK(only_text(load_with_base("[database.a]\nauth_query_user = \"x\"\n"))
              .find("weir.toml:7:19: database.a.auth_query_user: names who runs auth.query") == 0);
    CHECK(only_text(load_with_base("[auth]\nquery_user = \"asker\"\nquery_database = \"none\"\n" +
                                   std::string{kQuery}))
              .find("auth.query_database: \"none\" is no database") != std::string::npos);
}

TEST_CASE("check auth: a query that does not look at the end of passwords is noted") {
    const LoadResult result = load_with_base(
        "[auth]\nquery_user = \"asker\"\nquery = \"SELECT usename, passwd FROM pg_shadow WHERE "
        "usename=$1\"\n");
    CHECK(only_text(result).empty());
    CHECK(notes_text(result).find("auth.query does not look at rolvaliduntil") == 0);
}

TEST_CASE("check auth: certificates of nobody are noted") {
    const std::string toml =
        "[cluster.main]\nservers = [\"h:1\"]\n[database.d]\n[auth]\n"
        "method = \"cert\"\n";
    CHECK(notes_text(load_whole(toml)).find("no user is known") != std::string::npos);
    CHECK(notes_text(load_whole(toml + "[user.app]\n")).find("no user is known") ==
          std::string::npos);
}

TEST_CASE("check auth: hba needs its file, and a file hba") {
    CHECK(only_text(load_with_base("[auth]\nmethod = \"hba\"\n"))
              .find("auth.hba_file: is not given") != std::string::npos);
    CHECK(only_text(load_with_base("[auth]\nmethod = \"hba\"\nhba_file = \"/nowhere/hba\"\n"))
              .find("weir.toml:8:12: auth.hba_file: the file \"/nowhere/hba\" cannot be read") ==
          0);
    CHECK(notes_text(load_with_base("[auth]\nhba_file = \"/dev/null\"\n")) ==
          "auth.hba_file has no effect: auth.method is not \"hba\"");
    CHECK(notes_text(load_with_base("[auth]\nmethod = \"hba\"\nhba_file = \"/dev/null\"\n"))
              .find("auth.hba_file has no lines, so nobody can log in") == 0);
    CHECK(only_text(load_with_base("[auth]\ncert_map = \"people\"\n"))
              .find("weir.toml:7:12: auth.cert_map: \"people\" is no map of auth.ident_file") == 0);
}

TEST_SUITE_END();
