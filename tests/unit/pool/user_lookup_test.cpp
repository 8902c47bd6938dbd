#include "pool/user_lookup.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace weir;
using pool::UserAnswer;
using Outcome = UserAnswer::Outcome;
using Row = std::vector<std::optional<std::string>>;

namespace {

UserAnswer answer_of(const std::vector<Row>& rows, std::string_view user = "app") {
    std::vector<ByteWriter> messages(rows.size());
    std::vector<ByteView> bodies;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        protocol::write_data_row(messages[i], rows[i]);
        bodies.push_back(messages[i].bytes().subspan(protocol::kHeaderBytes));
    }
    return UserAnswer::from_rows(bodies, user);
}

}  // namespace

TEST_SUITE("user lookup") {
    TEST_CASE("user lookup: one row of the name and the secret is who it is") {
        const UserAnswer answer = answer_of({{"app", "pencil"}});
        CHECK(answer.outcome == Outcome::Found);
        CHECK(answer.secret == "pencil");
        const UserAnswer without = answer_of({{"app", std::nullopt}});
        CHECK(without.outcome == Outcome::Found);
        CHECK(without.secret.empty());
    }

    TEST_CASE("user lookup: no row, or somebody else's, is nobody") {
        CHECK(answer_of({}).outcome == Outcome::Unknown);
        CHECK(answer_of({{"App", "pencil"}}).outcome == Outcome::Unknown);
        CHECK(answer_of({{std::nullopt, "pencil"}}).outcome == Outcome::Unknown);
        CHECK(answer_of({{"", "pencil"}}).outcome == Outcome::Unknown);
    }

    TEST_CASE("user lookup: other rows are a mistake, and the problem holds no secret") {
        for (const auto& rows : {std::vector<Row>{{"app"}},
                                 std::vector<Row>{{"app", "pencil", "more"}},
                                 std::vector<Row>{{}},
                                 std::vector<Row>{{"app", "pencil"}, {"app", "pencil"}}}) {
            const UserAnswer answer = answer_of(rows);
            CHECK(answer.outcome == Outcome::Failed);
            CHECK(answer.secret.empty());
            CHECK_FALSE(answer.problem.empty());
            CHECK(answer.problem.find("pencil") == std::string::npos);
        }
    }

    TEST_CASE("user lookup: a row cut anywhere, or with bytes behind it, is a mistake") {
        ByteWriter message;
        protocol::write_data_row(message, Row{"app", "pencil"});
        const ByteView body = message.bytes().subspan(protocol::kHeaderBytes);
        for (std::size_t size = 0; size < body.size(); ++size) {
            CHECK(UserAnswer::from_rows({body.first(size)}, "app").outcome == Outcome::Failed);
        }
        message.u8(0);
        CHECK(UserAnswer::from_rows({message.bytes().subspan(protocol::kHeaderBytes)}, "app")
                  .outcome == Outcome::Failed);
        for (const std::uint32_t length : {0xfffffffeU, 0x80000000U, 0x7fffffffU}) {
            ByteWriter row;
            row.u16(2);
            row.u32(length);
            row.text("app");
            CHECK(UserAnswer::from_rows({row.bytes()}, "app").outcome == Outcome::Failed);
        }
    }
}
