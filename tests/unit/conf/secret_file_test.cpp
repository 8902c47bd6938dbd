#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

/// A folder that is gone when the test is over.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "weir_conf_XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }

    ~Folder() { std::filesystem::remove_all(path_); }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    Folder(Folder&&) = delete;
    Folder& operator=(Folder&&) = delete;

    [[nodiscard]] std::string write(const std::string& name, std::string_view text) const {
        std::ofstream{path_ / name} << text;
        return (path_ / name).string();
    }

    [[nodiscard]] std::string file(const std::string& name) const {
        return (path_ / name).string();
    }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_SUITE_BEGIN("secret files");

TEST_CASE("secret files: passwords and users come from files beside the configuration") {
    const Folder folder;
    static_cast<void>(folder.write("app.secret", "from file\r\n"));
    static_cast<void>(
        folder.write("users.txt", "\"app\" \"ignored\"\n\"bob\" \"bobs\"\n\"nobody\" \"\"\n"));
    const std::string path = folder.write("weir.toml", R"(
[auth]
users_file = "users.txt"
[cluster.main]
servers = ["h:1"]
[database.d]
[user.app]
password = "file:app.secret"
)");
    const LoadResult result = load(path, Environment{});
    REQUIRE(only_text(result).empty());
    CHECK(result.config->users.at("app").secret == "from file");
    CHECK_FALSE(result.config->users.at("app").is_from_users_file);
    CHECK(result.config->users.at("bob").secret == "bobs");
    CHECK(result.config->users.at("bob").is_from_users_file);
    CHECK_FALSE(result.config->users.at("nobody").has_secret);
    CHECK(result.files ==
          std::vector<std::string>{path, folder.file("app.secret"), folder.file("users.txt")});
}

TEST_CASE("secret files: a section without a password takes the one of users_file") {
    const Folder folder;
    static_cast<void>(folder.write("users.txt", "\"app\" \"kept\"\n"));
    const std::string path =
        folder.write("weir.toml",
                     "[auth]\nusers_file = \"users.txt\"\n[cluster.main]\nservers = "
                     "[\"h:1\"]\n[database.d]\n[user.app]\nmax_clients = 3\n");
    const LoadResult result = load(path, Environment{});
    REQUIRE(only_text(result).empty());
    CHECK(result.config->users.at("app").secret == "kept");
    CHECK(result.config->users.at("app").has_secret);
    CHECK(result.config->users.at("app").max_clients == 3);
}

TEST_CASE("secret files: files that cannot be read are mistakes at their keys") {
    CHECK(only_text(load_with_base("[auth]\nusers_file = \"/nonexistent/users\"\n")) ==
          "weir.toml:7:14: auth.users_file: the file \"/nonexistent/users\" cannot be read: No "
          "such file or directory; accepted: the path of a readable file, or \"\"");
    CHECK(only_text(load_with_base("[user.b]\npassword = \"file:/nonexistent/x\"\n")) ==
          "weir.toml:7:12: user.b.password: the file \"/nonexistent/x\" cannot be read: No such "
          "file or directory; accepted: file:PATH of a readable file");
    CHECK(
        only_text(load_with_base("[http]\nuser = \"u\"\n",
                                 {{"WEIR_HTTP_PASSWORD", "file:/nonexistent/x"}}))
            .find("environment: WEIR_HTTP_PASSWORD: the file \"/nonexistent/x\" cannot be read") !=
        std::string::npos);
}

TEST_CASE(
    "secret files: mistakes in users_file come with its own lines, after those of the "
    "configuration") {
    const Folder folder;
    static_cast<void>(folder.write("users.txt", "\nbob \"hidden\"\n"));
    const std::string path = folder.write(
        "weir.toml", std::string{kBase} + "[auth]\nusers_file = \"users.txt\"\nmethod = \"x\"\n");
    const LoadResult result = load(path, Environment{});
    REQUIRE(result.problems.size() == 2);
    CHECK(result.problems[0].line == 8);
    CHECK(result.problems[1].text() ==
          folder.file("users.txt") + R"(:2:1: no quoted name; accepted: "name" "secret")");
}

TEST_CASE("secret files: a file that is far too long is no secret") {
    const Folder folder;
    const std::string path = folder.write("long", std::string(70000, 'x'));
    CHECK(only_text(load_with_base("[user.b]\npassword = \"file:" + path + "\"\n"))
              .find("is longer than 64KiB") != std::string::npos);
}

TEST_SUITE_END();
