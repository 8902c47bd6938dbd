#include "net/stream.hpp"
#include "tests/support/feed_all_ways.hpp"
#include "tests/support/stream_support.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::heard;
using test::StreamRig;
using test::tell;

TEST_SUITE("net_stream") {
    TEST_CASE("stream: takes the same bytes however they arrive") {
        const std::string text = "Q....SELECT 1.";
        test::feed_all_ways(as_bytes(text), [&text](const std::vector<test::Bytes>& chunks) {
            StreamRig rig;
            std::size_t fed = 0;
            for (const test::Bytes& chunk : chunks) {
                REQUIRE(tell(rig.peer, as_text(chunk)));
                fed += chunk.size();
                REQUIRE(rig.until([&] { return rig.listener.received.size() == fed; }));
            }
            CHECK(rig.listener.received == text);
            CHECK(rig.listener.offers == static_cast<int>(chunks.size()));
            CHECK(rig.stream.unread() == 0);
        });
    }

    TEST_CASE("stream: what is not used is kept and offered again in front of what comes next") {
        StreamRig rig;
        rig.listener.take = [](ByteView bytes) { return bytes.size() / 3 * 3; };
        REQUIRE(tell(rig.peer, "abcd"));
        REQUIRE(rig.until_received("abc"));
        CHECK(rig.stream.unread() == 1);
        REQUIRE(tell(rig.peer, "e"));
        REQUIRE(rig.until([&] { return rig.listener.offers == 2; }));
        CHECK(rig.listener.last_offer == "de");
        CHECK(rig.listener.received == "abc");
        REQUIRE(tell(rig.peer, "fgh"));
        REQUIRE(rig.until_received("abcdef"));
        CHECK(rig.listener.last_offer == "defgh");
        CHECK(rig.stream.unread() == 2);
    }

    TEST_CASE("stream: byte by byte, a message is assembled from what was left over") {
        StreamRig rig;
        const std::string text = test::pattern(300);
        rig.listener.take = [&](ByteView bytes) {
            return bytes.size() == text.size() ? bytes.size() : 0;
        };
        for (std::size_t i = 0; i < text.size(); ++i) {
            REQUIRE(tell(rig.peer, text.substr(i, 1)));
            REQUIRE(rig.until([&] { return rig.listener.offers == static_cast<int>(i) + 1; }));
            REQUIRE(rig.listener.last_offer == text.substr(0, i + 1));
        }
        CHECK(rig.listener.received == text);
        CHECK(rig.stream.unread() == 0);
    }

    TEST_CASE("stream: keeps a message that is much larger than its buffer until it is whole") {
        StreamRig rig;
        const std::string text = test::pattern(1'000'000);
        rig.listener.take = [&](ByteView bytes) {
            return bytes.size() == text.size() ? bytes.size() : 0;
        };
        std::size_t told = 0;
        REQUIRE(rig.until([&] {
            const ssize_t sent = ::send(rig.peer.get(),
                                        text.data() + told,
                                        std::min<std::size_t>(text.size() - told, 50'000),
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            told += sent > 0 ? static_cast<std::size_t>(sent) : 0;
            return !rig.listener.received.empty();
        }));
        CHECK(rig.listener.received == text);
        CHECK(rig.stream.unread() == 0);
    }

    TEST_CASE("stream: used in odd pieces, a long text arrives whole and in order") {
        StreamRig rig;
        const std::string text = test::pattern(400'000);
        std::size_t offers = 0;
        rig.listener.take = [&](ByteView bytes) {
            ++offers;
            return bytes.size() * (offers % 7) / 7;  // nothing at all now and then
        };
        std::size_t told = 0;
        REQUIRE(rig.until([&] {
            const ssize_t sent = ::send(rig.peer.get(),
                                        text.data() + told,
                                        std::min<std::size_t>(text.size() - told, 30'000),
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            told += sent > 0 ? static_cast<std::size_t>(sent) : 0;
            if (told == text.size()) {
                rig.listener.take = nullptr;
                rig.stream.offer_unread();
            }
            return rig.listener.received.size() == text.size();
        }));
        CHECK(rig.listener.received == text);
    }

    TEST_CASE("stream: offers what is unread once more when asked") {
        StreamRig rig;
        rig.listener.take = [](ByteView) { return std::size_t{0}; };
        rig.stream.offer_unread();
        CHECK(rig.listener.offers == 0);  // there was nothing to offer
        REQUIRE(tell(rig.peer, "abcdef"));
        REQUIRE(rig.until([&] { return rig.listener.offers == 1; }));
        CHECK(rig.stream.unread() == 6);
        rig.listener.take = [](ByteView) { return std::size_t{2}; };
        rig.stream.offer_unread();
        CHECK(rig.listener.received == "ab");
        CHECK(rig.listener.last_offer == "abcdef");
        rig.listener.take = nullptr;
        rig.stream.offer_unread();
        CHECK(rig.listener.received == "abcdef");
        CHECK(rig.stream.unread() == 0);
    }

    TEST_CASE("stream: offering again from within an offer neither doubles nor loses bytes") {
        StreamRig rig;
        rig.listener.take = [&](ByteView bytes) {
            rig.stream.offer_unread();
            return std::min<std::size_t>(bytes.size(), 2);
        };
        REQUIRE(tell(rig.peer, "abcde"));
        REQUIRE(rig.until_received("ab"));
        rig.stream.offer_unread();
        rig.stream.offer_unread();
        CHECK(rig.listener.received == "abcde");
        CHECK(rig.listener.offers == 3);
    }

    TEST_CASE("stream: writes go out at once, a batch in one piece and in order") {
        StreamRig rig;
        rig.stream.write(as_bytes("hello"));
        CHECK(heard(rig.peer) == "hello");
        const std::string one = "a.";
        const std::string two = "b.";
        WriteBatch batch;
        batch.add(as_bytes(one));
        batch.add(as_bytes(two));
        batch.add(as_bytes(one));
        rig.stream.write(batch);
        rig.stream.write(WriteBatch{});
        rig.stream.write(ByteView{});
        CHECK(heard(rig.peer) == "a.b.a.");
        CHECK(rig.stream.unsent() == 0);
        CHECK(!rig.stream.is_full());
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.drained == 0);
        CHECK(rig.listener.closed == 0);
    }

    TEST_CASE("stream: may write from within an offer, as an echo does") {
        StreamRig rig;
        rig.listener.take = [&](ByteView bytes) {
            rig.stream.write(bytes);
            return bytes.size();
        };
        const std::string text = test::pattern(200'000);
        std::string echo;
        std::size_t told = 0;
        REQUIRE(rig.until([&] {
            const ssize_t sent = ::send(rig.peer.get(),
                                        text.data() + told,
                                        text.size() - told,
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            told += sent > 0 ? static_cast<std::size_t>(sent) : 0;
            echo += heard(rig.peer);
            return echo.size() == text.size();
        }));
        CHECK(echo == text);
    }

    TEST_CASE("stream: one that never falls silent does not keep the others waiting") {
        StreamRig busy{test::unix_pair()};
        test::RecordingListener quiet_listener;
        test::SocketPair pair = test::unix_pair();
        Stream quiet{busy.loop, std::move(pair.ours), quiet_listener};
        const std::string chunk = test::pattern(100'000);
        std::size_t busy_bytes = 0;
        busy.listener.take = [&](ByteView bytes) {
            busy_bytes += bytes.size();
            // The peer is as fast as we are: the socket is never empty.
            ::send(busy.peer.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            busy.listener.received.clear();
            return bytes.size();
        };
        ::send(busy.peer.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        REQUIRE(tell(pair.peer, "me too"));
        CHECK(busy.until([&] { return quiet_listener.received == "me too"; }));
        CHECK(busy_bytes <= 4 * Stream::kBytesPerTurn);
    }
}

}  // namespace
}  // namespace weir::net
