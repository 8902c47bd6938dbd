#include "protocol/expected_replies.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>

namespace weir::protocol {
namespace {

/// Plays a script of two-character steps: ">Q" the client's message was sent, "+P" one of ours was
/// sent, "<Z" a message came from the backend. Spaces are skipped.
///
/// @return one letter per message from the backend: F(orward), S(wallow), R(eplace) or U(nexpected)
std::string play(ExpectedReplies& owed, std::string_view script) {
    std::string verdicts;
    for (std::size_t i = 0; i + 1 < script.size();) {
        if (script[i] == ' ') {
            ++i;
            continue;
        }
        const char type = script[i + 1];
        switch (script[i]) {
            case '>': owed.sent(static_cast<FrontendMessage>(type)); break;
            case '+': owed.sent(static_cast<FrontendMessage>(type), ReplyAction::Swallow); break;
            default: {
                constexpr std::string_view kLetters = "FSRU";
                const ReplyVerdict verdict = owed.received(static_cast<BackendMessage>(type));
                verdicts += kLetters[static_cast<std::size_t>(verdict)];
                break;
            }
        }
        i += 2;
    }
    return verdicts;
}

std::string play(std::string_view script) {
    ExpectedReplies owed;
    return play(owed, script);
}

TEST_SUITE("expected_replies") {
    TEST_CASE("complete exchanges: everything is forwarded and nothing stays owed") {
        for (const std::string_view script : {">Q <T <D <D <C <Z",
                                              ">Q <I <Z",
                                              ">Q <T <D <C <C <T <C <Z",
                                              ">Q <E <Z",
                                              ">Q <N <S <A <C <Z",
                                              ">F <V <Z",
                                              ">F <E <Z",
                                              ">S <Z",
                                              ">P >B >D >E >S <1 <2 <T <D <C <Z",
                                              ">P >D >S <1 <t <T <Z",
                                              ">P >D >S <1 <t <n <Z",
                                              ">B >E >C >S <2 <s <3 <Z",
                                              ">B >E >S <2 <I <Z",
                                              ">P >S >P >S <1 <Z <1 <Z",
                                              ">Q >Q <C <Z <C <Z"}) {
            CAPTURE(script);
            ExpectedReplies owed;
            const std::string verdicts = play(owed, script);
            CHECK(verdicts == std::string(verdicts.size(), 'F'));
            CHECK(owed.empty());
            CHECK(owed.size() == 0);
            CHECK(!owed.is_sync_owed());
            CHECK(!owed.is_skipping());
            CHECK(owed.copy() == ExpectedReplies::Copy::None);
        }
    }

    TEST_CASE("copy: the ends of two in one query, sent before the second has begun") {
        ExpectedReplies owed;
        CHECK(play(owed, ">Q <G >d >c >d >c >S <C <G <C <Z <Z") == "FFFFFF");
        CHECK(owed.empty());
    }

    TEST_CASE("copy: in, out and both, in a simple query") {
        CHECK(play(">Q <G >d >d >c <C <Z") == "FFF");
        CHECK(play(">Q <G >d >f <E <Z") == "FFF");
        CHECK(play(">Q >d >c <G <C <Z") == "FFF");
        CHECK(play(">Q <G >c <C <G >c <C <Z") == "FFFFF");
        CHECK(play(">Q <H <d <d <c <C <Z") == "FFFFFF");
        ExpectedReplies owed;
        CHECK(play(owed, ">Q <W <d >d") == "FF");
        CHECK(owed.copy() == ExpectedReplies::Copy::Both);
        CHECK(play(owed, ">c <c <C <Z") == "FFF");
        CHECK(owed.empty());
    }

    TEST_CASE("copy in: a Sync before the end of the data is never answered") {
        for (const std::string_view script : {">P >B >E >S <1 <2 <G >d >c >S <C <Z",
                                              ">P >B >E >S >d >c >S <1 <2 <G <C <Z",
                                              ">P >B >E <1 <2 <G >S >d >S >c >S <C <Z"}) {
            CAPTURE(script);
            ExpectedReplies owed;
            CHECK(play(owed, script) == "FFFFF");
            CHECK(owed.empty());
            CHECK(!owed.is_sync_owed());
        }
    }

    TEST_CASE("copy in: breaking off with a Sync inside is ambiguous until told otherwise") {
        ExpectedReplies owed;
        CHECK(play(owed, ">P >B >E >S <1 <2 <G >d <E") == "FFFF");
        CHECK(owed.is_ambiguous());
        owed.clear();
        CHECK(!owed.is_ambiguous());
    }

    TEST_CASE("errors: the backend skips to the next Sync, whatever lies between") {
        ExpectedReplies owed;
        CHECK(play(owed, ">P >B >E >S >P >B >E >S <1 <E") == "FF");
        CHECK(owed.size() == 5);
        CHECK(owed.front().request == FrontendMessage::Sync);
        CHECK(play(owed, "<Z <1 <2 <C <Z") == "FFFFF");
        CHECK(owed.empty());
    }

    TEST_CASE("errors: what is sent while the backend skips is not answered") {
        ExpectedReplies owed;
        CHECK(play(owed, ">P >H <E") == "F");
        CHECK(owed.is_skipping());
        CHECK(owed.is_sync_owed());
        CHECK(play(owed, ">B >E >Q >F >H") == "");
        CHECK(owed.empty());
        CHECK(play(owed, ">S >Q <Z <C <Z") == "FFF");
        CHECK(owed.empty());
        CHECK(!owed.is_skipping());
    }

    TEST_CASE("flush: without Sync the backend waits for one, answered or not") {
        ExpectedReplies owed;
        CHECK(play(owed, ">P >H <1") == "F");
        CHECK(owed.empty());
        CHECK(owed.is_sync_owed());
        CHECK(play(owed, ">S <Z") == "F");
        CHECK(!owed.is_sync_owed());
    }

    TEST_CASE("swallowing: our own requests in front, between and with errors") {
        CHECK(play("+Q <N <C <Z >Q <C <Z") == "SSSFF");
        CHECK(play("+P >B >E >S <1 <2 <C <Z") == "SFFF");
        CHECK(play("+P +S >B >S <E <Z <2 <Z") == "SSFF");
        CHECK(play("+C +P >B >S <3 <1 <2 <Z") == "SSFF");
        CHECK(play("+Q <A <S <C <Z") == "FSSS");
    }

    TEST_CASE("batches: what an error in the first does not reach") {
        const auto has_more = [](std::string_view script) {
            ExpectedReplies owed;
            static_cast<void>(play(owed, script));
            return owed.has_more_batches();
        };
        for (const std::string_view script :
             {"", ">Q", ">P >B >E", ">P >B >E >S", ">P >B >E >B >E >S", ">Q >Q <C <Z", ">S"}) {
            CAPTURE(script);
            CHECK_FALSE(has_more(script));
        }
        for (const std::string_view script :
             {">Q >Q", ">Q >P", ">P >B >E >S >P", ">E >S >Q", ">F >Q", ">S >S"}) {
            CAPTURE(script);
            CHECK(has_more(script));
        }
    }

    TEST_CASE("nothing owed: only what comes unasked may come") {
        CHECK(play("<N <A <S <E") == "FFFF");
        for (const char type : std::string_view{"123CDGHITVWZcdnstRKv"}) {
            CAPTURE(type);
            ExpectedReplies owed;
            CHECK(owed.received(static_cast<BackendMessage>(type)) == ReplyVerdict::Unexpected);
            CHECK(owed.empty());
        }
    }

    TEST_CASE("answers to something else are unexpected and take nothing away") {
        CHECK(play(">P <2") == "U");
        CHECK(play(">B <1") == "U");
        CHECK(play(">Q <1") == "U");
        CHECK(play(">E <Z") == "U");
        CHECK(play(">Q <R") == "U");
        CHECK(play(">S <3") == "U");
        ExpectedReplies owed;
        CHECK(play(owed, ">P >S <2 <1 <Z") == "UFF");
        CHECK(owed.empty());
    }

    TEST_CASE("prepared for what follows: success is swallowed, an error is the client's") {
        ExpectedReplies owed;
        owed.sent({FrontendMessage::Parse, ReplyAction::Prepare, Noted::ByBackend});
        CHECK(play(owed, ">B >S <1 <2 <Z") == "SFF");
        CHECK(owed.take_outcome().done_by_backend == 1);
        owed.sent({FrontendMessage::Parse, ReplyAction::Prepare, Noted::ByBackend});
        CHECK(play(owed, ">B >S <E <Z") == "FF");
        const NotedOutcome outcome = owed.take_outcome();
        CHECK(outcome.dropped_by_backend == 1);
        CHECK(outcome.dropped_by_client == 0);
        CHECK(!owed.has_outcome());
    }

    TEST_CASE("ours to answer: when everything before it is answered, unless that fails") {
        ExpectedReplies owed;
        owed.sent(FrontendMessage::Bind);
        owed.sent({FrontendMessage::Close, ReplyAction::Answer, Noted::ByClient});
        CHECK(!owed.is_ours_next());
        CHECK(play(owed, "<2") == "F");
        REQUIRE(owed.is_ours_next());
        CHECK(owed.take_ours() == FrontendMessage::Close);
        CHECK(owed.take_outcome().done_by_client == 1);
        CHECK(owed.is_sync_owed());
        owed.sent(FrontendMessage::Bind);
        owed.sent({FrontendMessage::Close, ReplyAction::Answer, Noted::ByClient});
        CHECK(play(owed, ">S <E") == "F");
        CHECK(!owed.is_ours_next());
        const NotedOutcome outcome = owed.take_outcome();
        CHECK(outcome.dropped_by_client == 1);
        CHECK(!outcome.has_first_failed);
        CHECK(play(owed, "<Z") == "F");
        CHECK(owed.empty());
    }

    TEST_CASE("sent to fail: its error is replaced, its success is a broken promise") {
        ExpectedReplies owed;
        const auto refuse = [&owed] {
            owed.sent({FrontendMessage::Describe, ReplyAction::Refuse, Noted::Nowhere});
        };
        constexpr std::string_view kLetters = "FSRU";
        const auto verdict = [&](char type) {
            return kLetters[static_cast<std::size_t>(
                owed.received(static_cast<BackendMessage>(type)))];
        };
        refuse();
        refuse();
        owed.sent(FrontendMessage::Sync);
        CHECK(verdict('E') == 'R');
        CHECK(owed.take_outcome().dropped_refusals == 1);
        CHECK(verdict('Z') == 'F');
        owed.sent(FrontendMessage::Bind);
        refuse();
        owed.sent(FrontendMessage::Sync);
        CHECK(verdict('E') == 'F');
        CHECK(owed.take_outcome().dropped_refusals == 1);
        CHECK(verdict('Z') == 'F');
        refuse();
        CHECK(verdict('T') == 'U');
    }

    TEST_CASE("a noted Parse that fails is told from one that is skipped") {
        ExpectedReplies owed;
        owed.sent({FrontendMessage::Parse, ReplyAction::Forward, Noted::ByBoth});
        owed.sent({FrontendMessage::Parse, ReplyAction::Forward, Noted::ByBoth});
        CHECK(play(owed, ">S <E") == "F");
        const NotedOutcome outcome = owed.take_outcome();
        CHECK(outcome.dropped_by_client == 2);
        CHECK(outcome.dropped_by_backend == 2);
        CHECK(outcome.has_first_failed);
    }

    TEST_CASE("types that are no messages change nothing") {
        for (int type = int{std::numeric_limits<char>::min()}; type < 0; ++type) {
            ExpectedReplies owed;
            owed.sent(FrontendMessage::Query);
            owed.sent(static_cast<FrontendMessage>(type));
            CHECK(owed.received(static_cast<BackendMessage>(type)) == ReplyVerdict::Unexpected);
            CHECK(owed.size() == 1);
        }
    }

    TEST_CASE("a long pipeline: stays in step") {
        ExpectedReplies owed;
        for (int i = 0; i < 5000; ++i) {
            (void)play(owed, ">P >B >E >S");
        }
        CHECK(owed.size() == 20000);
        for (int i = 0; i < 5000; ++i) {
            REQUIRE(play(owed, i % 7 == 0 ? "<1 <E <Z" : "<1 <2 <C <Z") ==
                    (i % 7 == 0 ? "FFF" : "FFFF"));
        }
        CHECK(owed.empty());
    }
}

}  // namespace
}  // namespace weir::protocol
