#include "proxy/client_statements.hpp"

#include <doctest/doctest.h>

namespace weir::proxy {
namespace {

using Why = ClientStatements::Why;

struct Fixture {
    pool::SettingsTable settings;
    pool::StatementTable table;
    ClientStatements client;
    pool::StatementPtr one = table.intern(as_bytes("SELECT 1"), settings.none(), 0);
    pool::StatementPtr two = table.intern(as_bytes("SELECT 2"), settings.none(), 0);

    [[nodiscard]] pool::StatementPtr at(std::string_view name) const {
        const ClientStatement* found = client.find(name);
        return found == nullptr ? nullptr : found->statement;
    }
};

}  // namespace

TEST_SUITE("client statements") {
    TEST_CASE_FIXTURE(Fixture, "a change holds from the moment it is sent") {
        client.add("s", {one});
        CHECK(at("s") == one);
        client.settle(1);
        client.remove("s");
        CHECK(at("s") == nullptr);
        client.settle(1);
        CHECK(client.size() == 0);
    }

    TEST_CASE_FIXTURE(Fixture, "what did not happen leaves the name as it was") {
        client.add("s", {one});
        client.settle(1);
        client.remove("s");
        client.add("s", {two});
        client.add("t", {two});
        client.drop(3, Why::FirstFailed);
        CHECK(at("s") == one);
        CHECK(at("t") == nullptr);
    }

    TEST_CASE_FIXTURE(Fixture, "a later change falls back to what is left of the earlier") {
        client.add("s", {one});
        client.remove("s");
        client.drop(1, Why::FirstFailed);
        CHECK(at("s") == nullptr);
        client.drop(1, Why::FirstFailed);
        CHECK(at("s") == nullptr);
    }

    TEST_CASE_FIXTURE(Fixture, "a failed Parse without a name takes the last one with it") {
        client.add("", {one});
        client.settle(1);
        SUBCASE("failed itself") {
            client.add("", {two});
            client.drop(1, Why::FirstFailed);
            CHECK(at("") == nullptr);
        }
        SUBCASE("skipped after an error") {
            client.add("", {two});
            client.drop(1, Why::Skipped);
            CHECK(at("") == one);
        }
        SUBCASE("something named failed in front of it") {
            client.add("s", {two});
            client.add("", {two});
            client.drop(2, Why::FirstFailed);
            CHECK(at("") == one);
        }
    }

    TEST_CASE_FIXTURE(Fixture, "a simple Query ends the unnamed one, also where it is on its way") {
        client.add("", {one});
        client.settle(1);
        client.add("", {two});
        client.forget_unnamed();
        CHECK(at("") == nullptr);
        client.drop(1, Why::Skipped);
        CHECK(at("") == nullptr);
    }

    TEST_CASE_FIXTURE(Fixture, "forgetting all keeps what is on its way") {
        client.add("s", {one});
        client.settle(1);
        client.add("t", {two});
        client.forget_all();
        CHECK(at("s") == nullptr);
        CHECK(at("t") == two);
        client.drop_all();
        CHECK(client.size() == 0);
    }

    TEST_CASE_FIXTURE(Fixture, "only names touched before a Sync are unsettled") {
        client.add("s", {one});
        CHECK_FALSE(client.is_unsettled("s"));
        client.seal();
        client.add("t", {one});
        CHECK(client.is_unsettled("s"));
        CHECK_FALSE(client.is_unsettled("t"));
        client.settle(1);
        CHECK_FALSE(client.is_unsettled("s"));
    }
}

}  // namespace weir::proxy
