#include "pool/statement.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::as_bytes;
using weir::ByteView;
using weir::pool::kStatementPrefix;
using weir::pool::StatementPtr;
using weir::pool::StatementTable;

TEST_CASE("equal definitions are one statement, whichever table they come from by name") {
    StatementTable table;
    StatementTable other;
    const StatementPtr one = table.intern(as_bytes("SELECT 1"));
    CHECK(table.intern(as_bytes("SELECT 1")) == one);
    CHECK(table.intern(as_bytes("SELECT 2")) != one);
    CHECK(other.intern(as_bytes("SELECT 1")) != one);
    CHECK(other.intern(as_bytes("SELECT 1"))->name == one->name);
}

TEST_CASE("a name is the prefix and 32 hexadecimal digits of the definition's hash") {
    StatementTable table;
    const StatementPtr one = table.intern(as_bytes("abc"));
    CHECK(one->name == std::string{kStatementPrefix} + "ba7816bf8f01cfea414140de5dae2223");
    CHECK(one->name_on_wire().size() == one->name.size() + 1);
    CHECK(one->name_on_wire().back() == std::byte{0});
    CHECK(weir::as_text(one->definition) == "abc");
}

TEST_CASE("definitions that differ behind a zero byte are different statements") {
    StatementTable table;
    const std::string untyped{"SELECT $1\0\0\0", 12};
    const std::string typed{"SELECT $1\0\0\1", 12};
    CHECK(table.intern(as_bytes(untyped)) != table.intern(as_bytes(typed)));
}

TEST_CASE("statements that nobody holds are forgotten") {
    StatementTable table;
    const StatementPtr kept = table.intern(as_bytes("kept"));
    for (int i = 0; i < 10'000; ++i) {
        static_cast<void>(table.intern(as_bytes("passing " + std::to_string(i))));
    }
    CHECK(table.size() < 1000);
    CHECK(table.intern(as_bytes("kept")) == kept);
}
