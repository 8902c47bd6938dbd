#include "conf/schema.hpp"

#include "conf/value.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace weir::conf;

TEST_SUITE_BEGIN("schema");

TEST_CASE("schema: every key is there once, documented, and stored somewhere") {
    std::set<std::string> seen;
    for (const Setting& setting : settings()) {
        const std::string key = join_key(section_info(setting.section).name, setting.key);
        CAPTURE(key);
        CHECK(seen.insert(key).second);
        CHECK_FALSE(setting.doc.empty());
        CHECK(setting.doc.back() == '.');
        CHECK((setting.field.put != nullptr));
        CHECK((setting.override_field.put != nullptr) ==
              (is_laid_over(setting.section) || setting.section == Section::TlsServer));
        CHECK((setting.kind == Kind::Choice) == !setting.choices.empty());
        CHECK(find_setting(setting.section, setting.key) == &setting);
        CHECK_FALSE(accepted(setting).empty());
    }
}

TEST_CASE("schema: every default is accepted by its own setting and written back the same") {
    for (const Setting& setting : settings()) {
        CAPTURE(setting.key);
        for (std::size_t profile = 0; profile < profile_names().size(); ++profile) {
            const std::string_view text = default_text(setting, static_cast<Profile>(profile));
            const auto value = parse_value(setting, text);
            REQUIRE(value.value);
            const auto again = parse_value(setting, format_value(setting, *value.value));
            CHECK(again.value == value.value);
        }
    }
}

TEST_CASE("schema: keys are quoted where TOML needs it") {
    CHECK(join_key("", "profile") == "profile");
    CHECK(join_key("listen", "threads") == "listen.threads");
    CHECK(join_key("database", "*") == "database.\"*\"");
    CHECK(join_key("user", "a\"b\\c") == R"(user."a\"b\\c")");
    CHECK(join_key("user", "") == "user.\"\"");
}

TEST_CASE("schema: strings survive TOML") {
    CHECK(toml_string("plain") == "\"plain\"");
    CHECK(toml_string("a\"b\\\n\x7f") == R"("a\"b\\\u000A\u007F")");
}

TEST_SUITE_END();
