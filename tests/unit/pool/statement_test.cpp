#include "pool/statement.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::as_bytes;
using weir::ByteView;
using weir::pool::kStatementPrefix;
using weir::pool::SettingsTable;
using weir::pool::StatementPtr;
using weir::pool::StatementTable;

TEST_CASE("equal definitions are one statement, whichever table they come from by name") {
    SettingsTable settings;
    StatementTable table;
    StatementTable other;
    const StatementPtr one = table.intern(as_bytes("SELECT 1"), settings.none(), 0);
    CHECK(table.intern(as_bytes("SELECT 1"), settings.none(), 0) == one);
    CHECK(table.intern(as_bytes("SELECT 2"), settings.none(), 0) != one);
    CHECK(other.intern(as_bytes("SELECT 1"), settings.none(), 0) != one);
    CHECK(other.intern(as_bytes("SELECT 1"), settings.none(), 0)->name == one->name);
}

TEST_CASE("a name is the prefix and 32 hexadecimal digits of a hash") {
    SettingsTable settings;
    StatementTable table;
    const StatementPtr one = table.intern(as_bytes("abc"), settings.none(), 0);
    CHECK(one->name == std::string{kStatementPrefix} + "aa88f8d5cbc81b37a4459033eb5359d1");
    CHECK(one->name_on_wire().size() == one->name.size() + 1);
    CHECK(one->name_on_wire().back() == std::byte{0});
    CHECK(weir::as_text(one->definition) == "abc");
}

TEST_CASE("definitions that differ behind a zero byte are different statements") {
    SettingsTable settings;
    StatementTable table;
    const std::string untyped{"SELECT $1\0\0\0", 12};
    const std::string typed{"SELECT $1\0\0\1", 12};
    CHECK(table.intern(as_bytes(untyped), settings.none(), 0) !=
          table.intern(as_bytes(typed), settings.none(), 0));
}

TEST_CASE("statements that nobody holds are forgotten") {
    SettingsTable settings;
    StatementTable table;
    const StatementPtr kept = table.intern(as_bytes("kept"), settings.none(), 0);
    for (int i = 0; i < 10'000; ++i) {
        static_cast<void>(
            table.intern(as_bytes("passing " + std::to_string(i)), settings.none(), 0));
    }
    CHECK(table.size() < 1000);
    CHECK(table.intern(as_bytes("kept"), settings.none(), 0) == kept);
}

TEST_CASE("one text under two settings is two statements, by the same names in every worker") {
    SettingsTable settings;
    SettingsTable settings_there;
    StatementTable table;
    StatementTable table_there;
    const ByteView text = as_bytes("SELECT '2024-01-01'::timestamptz");
    const auto utc = settings.intern({{"timezone", "UTC"}});
    const StatementPtr here = table.intern(text, utc, 0);
    CHECK(here != table.intern(text, settings.none(), 0));
    CHECK(here->name != table.intern(text, settings.none(), 0)->name);
    CHECK(here != table.intern(text, utc, 1));  // prepared after a change of the schema
    CHECK(here->name != table.intern(text, utc, 1)->name);
    CHECK(here == table.intern(text, settings.intern({{"timezone", "UTC"}}), 0));
    CHECK(table_there.intern(text, settings_there.intern({{"timezone", "UTC"}}), 0)->name ==
          here->name);
}
