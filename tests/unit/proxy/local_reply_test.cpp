#include "proxy/local_reply.hpp"

#include "protocol/frame.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace weir;
using protocol::BackendMessage;
using protocol::FrontendMessage;
using proxy::AfterReply;

namespace {

const protocol::ErrorFields kError{
    protocol::Severity::Error, sqlstate::kConnectionFailure, "server conn crashed?", {}, {}};

std::string types_of(ByteView bytes) {
    std::string types;
    while (!bytes.empty()) {
        const auto header = protocol::read_header(bytes).header;
        types += header.type;
        bytes = bytes.subspan(header.frame_bytes());
    }
    return types;
}

struct Outcome {
    std::string types;
    AfterReply after;
};

/// @param sent the client's messages, by type byte
/// @param received what the backend answered before it was lost
Outcome lose_after(std::string_view sent, std::string_view received = {}) {
    pool::BackendLoss loss;
    loss.reason = kError;
    for (const char type : sent) {
        loss.owed.sent(static_cast<FrontendMessage>(type));
    }
    for (const char type : received) {
        CHECK(loss.owed.received(static_cast<BackendMessage>(type)) ==
              protocol::ReplyVerdict::Forward);
    }
    ByteWriter writer;
    const AfterReply after = proxy::write_loss(writer, loss);
    return {types_of(writer.bytes()), after};
}

void check(const Outcome& outcome, std::string_view types, AfterReply after) {
    CHECK(outcome.types == types);
    CHECK(outcome.after == after);
}

}  // namespace

TEST_SUITE("local reply") {
    TEST_CASE("refusal: a simple request gets its ReadyForQuery, an extended one waits for Sync") {
        for (const FrontendMessage request :
             {FrontendMessage::Query, FrontendMessage::FunctionCall, FrontendMessage::Sync}) {
            ByteWriter writer;
            CHECK(proxy::write_refusal(writer, request, kError) == AfterReply::Ready);
            CHECK(types_of(writer.bytes()) == "EZ");
        }
        for (const FrontendMessage request : {FrontendMessage::Parse,
                                              FrontendMessage::Bind,
                                              FrontendMessage::Execute,
                                              FrontendMessage::Describe,
                                              FrontendMessage::Close}) {
            ByteWriter writer;
            CHECK(proxy::write_refusal(writer, request, kError) == AfterReply::SkipsToSync);
            CHECK(types_of(writer.bytes()) == "E");
        }
    }

    TEST_CASE("loss: nothing owed, nothing said") {
        check(lose_after(""), "", AfterReply::Ready);
    }

    TEST_CASE("loss: every simple query gets its own error") {
        check(lose_after("Q"), "EZ", AfterReply::Ready);
        check(lose_after("Q", "TDD"), "EZ", AfterReply::Ready);
        check(lose_after("QQQ"), "EZEZEZ", AfterReply::Ready);
        check(lose_after("F"), "EZ", AfterReply::Ready);
    }

    TEST_CASE("loss: a batch gets one error, and its ReadyForQuery where it had its Sync") {
        check(lose_after("PBDES"), "EZ", AfterReply::Ready);
        check(lose_after("PBDES", "12"), "EZ", AfterReply::Ready);
        check(lose_after("PBES"
                         "PBES"),
              "EZEZ",
              AfterReply::Ready);
        check(lose_after("PBE"), "E", AfterReply::SkipsToSync);
        check(lose_after("PBES"
                         "PBE"),
              "EZE",
              AfterReply::SkipsToSync);
    }

    TEST_CASE("loss: a Sync whose statements were answered may not have committed") {
        check(lose_after("PBES", "12C"), "EZ", AfterReply::Ready);
        check(lose_after("PBE", "12C"), "E", AfterReply::SkipsToSync);
    }

    TEST_CASE("loss: an error that was told already is not told again while the rest is skipped") {
        check(lose_after("PBE", "E"), "", AfterReply::SkipsToSync);
    }

    TEST_CASE("loss: a simple query behind an unfinished batch is skipped with it") {
        check(lose_after("PQ"), "E", AfterReply::SkipsToSync);
        check(lose_after("PQS"), "EZ", AfterReply::Ready);
    }

    TEST_CASE("loss: what was asked in our own name is nobody's to hear of") {
        pool::BackendLoss loss;
        loss.reason = kError;
        loss.owed.sent(FrontendMessage::Query, protocol::ReplyAction::Swallow);
        ByteWriter nothing;
        CHECK(proxy::write_loss(nothing, loss) == AfterReply::Ready);
        CHECK(types_of(nothing.bytes()).empty());
        loss.owed.sent(FrontendMessage::Query);
        ByteWriter answer;
        CHECK(proxy::write_loss(answer, loss) == AfterReply::Ready);
        CHECK(types_of(answer.bytes()) == "EZ");
    }

    TEST_CASE("loss: COPY data that is still to come is the client's to end") {
        check(lose_after("Q", "G"), "EZ", AfterReply::Ready);
        check(lose_after("Qdc"), "EZ", AfterReply::Ready);
    }
}
