#include "protocol/one_result.hpp"

#include "protocol/message_type.hpp"
#include "protocol/message_writer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::protocol {
namespace {

void write_rows(ByteWriter& writer) {
    const std::array<ColumnDescription, 1> columns{};
    const std::array<std::optional<std::string>, 1> row{"one"};
    write_row_description(writer, columns);
    write_data_row(writer, row);
    write_data_row(writer, row);
}

/// A message of this type, without a body.
void write_bare(ByteWriter& writer, BackendMessage type) {
    constexpr std::string_view kLength{"\0\0\0\4", 4};
    const auto letter = static_cast<char>(type);
    writer.raw(as_bytes(std::string_view{&letter, 1}));
    writer.raw(as_bytes(kLength));
}

}  // namespace

TEST_SUITE("one_result") {
    TEST_CASE("one_result: of the simple and of the extended protocol") {
        ByteWriter simple;
        write_rows(simple);
        write_command_complete(simple, "SELECT 2");
        CHECK(is_one_result(simple.bytes()));
        ByteWriter extended;
        const std::array<std::uint32_t, 1> types{23};
        write_parse_complete(extended);
        write_parameter_description(extended, types);
        write_bind_complete(extended);
        write_rows(extended);
        write_command_complete(extended, "SELECT 2");
        CHECK(is_one_result(extended.bytes()));
    }

    TEST_CASE("one_result: what is cut short anywhere is none") {
        ByteWriter whole;
        write_rows(whole);
        write_command_complete(whole, "SELECT 2");
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(size);
            CHECK_FALSE(is_one_result(whole.bytes().first(size)));
        }
    }

    TEST_CASE("one_result: what has anything else in it is none, wherever it stands") {
        using enum BackendMessage;
        for (const BackendMessage other : {Authentication,
                                           BackendKeyData,
                                           CloseComplete,
                                           CopyBothResponse,
                                           CopyData,
                                           CopyDone,
                                           CopyInResponse,
                                           CopyOutResponse,
                                           EmptyQueryResponse,
                                           ErrorResponse,
                                           NoData,
                                           FunctionCallResponse,
                                           NoticeResponse,
                                           NotificationResponse,
                                           ParameterStatus,
                                           NegotiateProtocolVersion,
                                           PortalSuspended,
                                           ReadyForQuery,
                                           CommandComplete,
                                           BackendMessage{'?'},
                                           BackendMessage{'\0'}}) {
            CAPTURE(static_cast<char>(other));
            ByteWriter before;
            write_bare(before, other);
            write_rows(before);
            write_command_complete(before, "SELECT 2");
            CHECK_FALSE(is_one_result(before.bytes()));
            ByteWriter behind;
            write_rows(behind);
            write_command_complete(behind, "SELECT 2");
            write_bare(behind, other);
            CHECK_FALSE(is_one_result(behind.bytes()));
        }
        ByteWriter more;
        write_command_complete(more, "SELECT 0");
        write_parse_complete(more);
        CHECK_FALSE(is_one_result(more.bytes()));
    }

    TEST_CASE("one_result: a length that is none is refused") {
        for (const std::string_view length : {std::string_view{"\0\0\0\0", 4},
                                              std::string_view{"\0\0\0\3", 4},
                                              std::string_view{"\x7f\xff\xff\xff", 4},
                                              std::string_view{"\xff\xff\xff\xff", 4}}) {
            ByteWriter wrong;
            wrong.raw(as_bytes("C"));
            wrong.raw(as_bytes(length));
            wrong.raw(as_bytes("SELECT 1"));
            CHECK_FALSE(is_one_result(wrong.bytes()));
        }
    }
}

}  // namespace weir::protocol
