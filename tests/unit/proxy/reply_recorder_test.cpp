#include "proxy/reply_recorder.hpp"

#include "cache/cache.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::proxy {
namespace {

using protocol::TransactionStatus;
using State = ReplyRecorder::State;

std::string frame(char type, std::string_view body) {
    const auto length = static_cast<unsigned>(body.size() + 4);
    std::string bytes{type};
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        bytes += static_cast<char>((length >> shift) & 0xffU);
    }
    return bytes.append(body);
}

std::string reply_of(const ReplyRecorder& recorder) {
    std::string reply;
    for (const ByteView piece : recorder.reply()) {
        reply += as_text(piece);
    }
    return reply;
}

const std::string kResult = frame('1', "") + frame('2', "") + frame('T', "columns") +
                            frame('D', "one") + frame('D', "two") +
                            frame('C', std::string_view{"SELECT 2\0", 9});
const std::string kReady = frame('Z', "I");

TEST_SUITE("reply_recorder") {
    TEST_CASE("reply recorder: a result in pieces of whatever size") {
        const std::string whole = kResult + kReady + frame('E', "of what follows");
        for (std::size_t size = 1; size <= whole.size(); ++size) {
            CAPTURE(size);
            ReplyRecorder recorder;
            recorder.begin(1000, TransactionStatus::Idle);
            for (std::size_t at = 0; at < whole.size(); at += size) {
                recorder.feed(as_bytes(std::string_view{whole}.substr(at, size)));
            }
            CHECK(recorder.state() == State::Complete);
            CHECK(reply_of(recorder) == kResult);
            CHECK(recorder.rows() == 2);
        }
    }

    TEST_CASE("reply recorder: at every split") {
        const std::string whole = kResult + kReady;
        for (std::size_t split = 0; split <= whole.size(); ++split) {
            ReplyRecorder recorder;
            recorder.begin(1000, TransactionStatus::Idle);
            recorder.feed(as_bytes(std::string_view{whole}.substr(0, split)));
            CHECK((recorder.state() == State::Complete) == (split == whole.size()));
            recorder.feed(as_bytes(std::string_view{whole}.substr(split)));
            CHECK(recorder.state() == State::Complete);
            CHECK(reply_of(recorder) == kResult);
        }
    }

    TEST_CASE("reply recorder: what is long counts for the cache while it comes in") {
        constexpr std::size_t kRoom = std::size_t{1} << 20U;
        cache::Cache results{{.bytes_max = kRoom, .entries_max = 10, .entry_bytes_max = 4 * kRoom}};
        const std::size_t before = results.statistics().bytes;
        const std::string whole = frame('D', std::string(kRoom / 2, 'x')) + kResult + kReady;
        ReplyRecorder recorder;
        recorder.begin(4 * kRoom, TransactionStatus::Idle, results.draft());
        recorder.feed(as_bytes(whole));
        CHECK(recorder.state() == State::Complete);
        CHECK(reply_of(recorder) == whole.substr(0, whole.size() - kReady.size()));
        CHECK(results.statistics().bytes >= before + kRoom / 2 - cache::Draft::kShortBytes);
        ReplyRecorder other;
        other.begin(4 * kRoom, TransactionStatus::Idle, results.draft());
        other.feed(as_bytes(whole));
        CHECK(other.state() == State::TooLarge);
        other.end();
        recorder.yield();
        CHECK(results.statistics().bytes == before);
        recorder.end();
        CHECK(results.statistics().bytes == before);
    }

    TEST_CASE("reply recorder: nothing else than one result") {
        const auto state_of = [](const std::string& bytes, std::size_t bytes_max = 1000) {
            ReplyRecorder recorder;
            recorder.begin(bytes_max, TransactionStatus::Idle);
            recorder.feed(as_bytes(bytes));
            return recorder.state();
        };
        CHECK(state_of(frame('D', "row") + frame('E', "error") + kReady) == State::Failed);
        for (const char type : {'N', 'S', 'A', 'G', 'H', 'W', 's', 'I', 'n', 'V', 'd', '3'}) {
            CAPTURE(type);
            CHECK(state_of(frame(type, "x") + kReady) == State::Unfit);
        }
        CHECK(state_of(kResult + frame('Z', "T")) == State::Unfit);
        CHECK(state_of(kReady) == State::Unfit);
        CHECK(state_of(frame('1', "") + kReady) == State::Unfit);
        CHECK(state_of(kResult + frame('D', "row") + kReady) == State::Unfit);
        CHECK(state_of(kResult + kResult + kReady) == State::Unfit);
        CHECK(state_of(kResult + frame('Z', "E")) == State::Unfit);
        CHECK(state_of(kResult + frame('Z', "II")) == State::Unfit);
        CHECK(state_of(kResult + frame('Z', "")) != State::Complete);
        CHECK(state_of(std::string("D\0\0\0\1", 5)) == State::Unfit);  // shorter than its length
        CHECK(state_of(kResult + kReady, kResult.size()) == State::Complete);
        CHECK(state_of(kResult + kReady, kResult.size() - 1) == State::TooLarge);
    }

    TEST_CASE("reply recorder: a transaction goes on behind it as before") {
        for (const auto& [said, state] :
             {std::pair{"T", State::Complete}, {"I", State::Unfit}, {"E", State::Unfit}}) {
            CAPTURE(said);
            ReplyRecorder recorder;
            recorder.begin(1000, TransactionStatus::InTransaction);
            recorder.feed(as_bytes(kResult + frame('Z', said)));
            CHECK(recorder.state() == state);
        }
    }

    TEST_CASE("reply recorder: begins anew") {
        ReplyRecorder recorder;
        recorder.feed(as_bytes(kResult));
        CHECK(recorder.state() == State::Off);
        recorder.begin(1000, TransactionStatus::Idle);
        recorder.feed(as_bytes(std::string_view{kResult}.substr(0, 7)));
        recorder.begin(1000, TransactionStatus::Idle);
        recorder.feed(as_bytes(kResult + kReady));
        CHECK(reply_of(recorder) == kResult);
        recorder.end();
        CHECK(recorder.state() == State::Off);
        CHECK(reply_of(recorder).empty());
    }
}

}  // namespace
}  // namespace weir::proxy
