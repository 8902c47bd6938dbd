#include "protocol/message_type.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <string_view>

namespace weir::protocol {
namespace {

// Typed from the manual's section "Message Formats", page order, not from message_type.hpp.
const std::map<char, std::string_view> kManualFrontend{
    {'B', "Bind"},
    {'C', "Close"},
    {'d', "CopyData"},
    {'c', "CopyDone"},
    {'f', "CopyFail"},
    {'D', "Describe"},
    {'E', "Execute"},
    {'H', "Flush"},
    {'F', "FunctionCall"},
    {'P', "Parse"},
    {'p', "Password"},
    {'Q', "Query"},
    {'S', "Sync"},
    {'X', "Terminate"},
};
const std::map<char, std::string_view> kManualBackend{
    {'R', "Authentication"},
    {'K', "BackendKeyData"},
    {'2', "BindComplete"},
    {'3', "CloseComplete"},
    {'C', "CommandComplete"},
    {'d', "CopyData"},
    {'c', "CopyDone"},
    {'G', "CopyInResponse"},
    {'H', "CopyOutResponse"},
    {'W', "CopyBothResponse"},
    {'D', "DataRow"},
    {'I', "EmptyQueryResponse"},
    {'E', "ErrorResponse"},
    {'V', "FunctionCallResponse"},
    {'v', "NegotiateProtocolVersion"},
    {'n', "NoData"},
    {'N', "NoticeResponse"},
    {'A', "NotificationResponse"},
    {'t', "ParameterDescription"},
    {'S', "ParameterStatus"},
    {'1', "ParseComplete"},
    {'s', "PortalSuspended"},
    {'Z', "ReadyForQuery"},
    {'T', "RowDescription"},
};

template <class Visit>
void for_each_byte(Visit&& visit) {
    for (int byte = int{std::numeric_limits<char>::min()}; byte <= std::numeric_limits<char>::max();
         ++byte) {
        visit(static_cast<char>(byte));
    }
}

TEST_SUITE("message_type") {
    TEST_CASE("frontend types: exactly the manual's bytes, under the manual's names") {
        for_each_byte([](char type) {
            CAPTURE(static_cast<int>(type));
            const auto row = kManualFrontend.find(type);
            const bool is_known = row != kManualFrontend.end();
            CHECK(is_frontend_message(type) == is_known);
            CHECK(name_of(static_cast<FrontendMessage>(type)) == (is_known ? row->second : ""));
        });
    }

    TEST_CASE("backend types: exactly the manual's bytes, under the manual's names") {
        for_each_byte([](char type) {
            CAPTURE(static_cast<int>(type));
            const auto row = kManualBackend.find(type);
            const bool is_known = row != kManualBackend.end();
            CHECK(is_backend_message(type) == is_known);
            CHECK(name_of(static_cast<BackendMessage>(type)) == (is_known ? row->second : ""));
        });
    }

    TEST_CASE("transaction status: the manual's three letters") {
        CHECK(static_cast<char>(TransactionStatus::Idle) == 'I');
        CHECK(static_cast<char>(TransactionStatus::InTransaction) == 'T');
        CHECK(static_cast<char>(TransactionStatus::Failed) == 'E');
    }
}

}  // namespace
}  // namespace weir::protocol
