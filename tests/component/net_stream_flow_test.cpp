#include "net/stream.hpp"
#include "tests/support/stream_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::heard;
using test::pattern;
using test::StreamRig;
using test::tell;

TEST_SUITE("net_stream_flow") {
    TEST_CASE("stream: paused it is silent, resumed it goes on where it stopped") {
        for (const Pause reason : {Pause::PeerIsFull, Pause::Waiting, Pause::Closing}) {
            StreamRig rig;
            rig.stream.pause(reason);
            CHECK(rig.stream.is_paused());
            REQUIRE(tell(rig.peer, "early"));
            test::turn_for(rig.loop, milliseconds{5});
            CHECK(rig.listener.offers == 0);
            rig.stream.resume(reason);
            CHECK(!rig.stream.is_paused());
            CHECK(rig.until_received("early"));
        }
    }

    TEST_CASE("stream: reads again only when every reason to pause is gone") {
        StreamRig rig;
        rig.stream.pause(Pause::PeerIsFull);
        rig.stream.pause(Pause::Waiting);
        rig.stream.pause(Pause::Waiting);
        REQUIRE(tell(rig.peer, "x"));
        rig.stream.resume(Pause::PeerIsFull);
        rig.stream.resume(Pause::Closing);  // did not hold: no harm
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.offers == 0);
        CHECK(rig.stream.is_paused());
        rig.stream.resume(Pause::Waiting);  // a reason holds or does not: twice is once
        CHECK(rig.until_received("x"));
    }

    TEST_CASE("stream: paused from within an offer, it stops there") {
        StreamRig rig;
        rig.listener.take = [&](ByteView bytes) {
            rig.stream.pause(Pause::Waiting);
            return std::min<std::size_t>(bytes.size(), 10);
        };
        const std::string text = pattern(150'000);  // more than one read
        REQUIRE(tell(rig.peer, text));
        REQUIRE(rig.until([&] { return rig.listener.offers == 1; }));
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.offers == 1);
        rig.listener.take = nullptr;
        rig.stream.resume(Pause::Waiting);
        rig.stream.offer_unread();
        CHECK(rig.until([&] { return rig.listener.received.size() == text.size(); }));
        CHECK(rig.listener.received == text);
    }

    TEST_CASE("stream: paused, it still sends") {
        StreamRig rig;
        rig.stream.pause(Pause::PeerIsFull);
        const std::string text = pattern(2'000'000);
        rig.stream.write(as_bytes(text));
        CHECK(rig.stream.unsent() > 0);
        std::string got;
        CHECK(rig.until([&] { return (got += heard(rig.peer)).size() == text.size(); }));
        CHECK(got == text);
    }

    TEST_CASE(
        "stream: what is written while its output is held leaves in order with the last hold") {
        StreamRig rig;
        rig.stream.write(as_bytes(std::string_view{"before "}));
        auto first = rig.stream.hold_output();
        rig.stream.write(as_bytes(std::string_view{"one "}));
        auto second = rig.stream.hold_output();
        rig.stream.write(as_bytes(std::string_view{"two "}));
        first.reset();
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(heard(rig.peer) == "before ");
        REQUIRE(tell(rig.peer, "it reads on"));
        CHECK(rig.until_received("it reads on"));
        second.reset();
        CHECK(heard(rig.peer) == "one two ");
        rig.stream.write(as_bytes(std::string_view{"after"}));
        CHECK(heard(rig.peer) == "after");
    }

    TEST_CASE("stream: held output is sent to the end, and told as drained") {
        StreamRig rig;
        rig.stream.set_high_mark(100'000);
        const std::string text = pattern(2'000'000);
        auto hold = rig.stream.hold_output();
        rig.stream.write(as_bytes(text));
        CHECK(rig.stream.is_full());
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(heard(rig.peer).empty());
        CHECK(rig.listener.drained == 0);
        hold.reset();
        std::string got;
        CHECK(rig.until([&] { return (got += heard(rig.peer)).size() == text.size(); }));
        CHECK(got == text);
        CHECK(rig.listener.drained > 0);
    }

    TEST_CASE("stream: a hold may outlive it, and a closed one has none") {
        std::shared_ptr<HeldOutput> hold;
        {
            StreamRig rig;
            hold = rig.stream.hold_output();
            rig.stream.write(as_bytes(std::string_view{"never"}));
            rig.stream.close();
            CHECK(rig.stream.hold_output() == nullptr);
        }
        hold.reset();
    }

    TEST_CASE("stream: is full beyond the high mark and drained below half of it") {
        StreamRig rig;
        constexpr std::size_t kHigh = 100'000;
        rig.stream.set_high_mark(kHigh);
        const std::string chunk = pattern(10'000);
        std::string told;
        while (!rig.stream.is_full()) {
            REQUIRE(rig.stream.unsent() <= kHigh);
            rig.stream.write(as_bytes(chunk));
            told += chunk;
        }
        CHECK(rig.stream.unsent() > kHigh);
        std::size_t unsent_when_drained = kHigh;
        rig.listener.when_drained = [&] { unsent_when_drained = rig.stream.unsent(); };
        std::string got;
        REQUIRE(rig.until([&] {
            got += heard(rig.peer);
            if (rig.listener.drained == 0) {
                CHECK(rig.stream.unsent() > kHigh / 2);
            }
            return rig.listener.drained > 0;
        }));
        CHECK(unsent_when_drained <= kHigh / 2);
        CHECK(!rig.stream.is_full());
        REQUIRE(rig.until([&] { return (got += heard(rig.peer)).size() == told.size(); }));
        CHECK(got == told);
        CHECK(rig.stream.unsent() == 0);
    }

    TEST_CASE("stream: what is written while bytes wait goes behind them") {
        StreamRig rig;
        std::string told;
        for (int i = 0; i < 200; ++i) {
            const std::string first = pattern(7'000) + std::to_string(i);
            const std::string second = pattern(500);
            WriteBatch batch;
            batch.add(as_bytes(first));
            batch.add(as_bytes(second));
            rig.stream.write(batch);
            told += first + second;
        }
        std::string got;
        CHECK(rig.until([&] { return (got += heard(rig.peer)).size() == told.size(); }));
        CHECK(got == told);
    }

    TEST_CASE("stream: writing again from on_drained keeps a pump going") {
        StreamRig rig;
        rig.stream.set_high_mark(20'000);
        const std::string text = pattern(3'000'000);
        std::size_t pumped = 0;
        const auto pump = [&] {
            while (pumped < text.size() && !rig.stream.is_full()) {
                const std::string_view piece = std::string_view{text}.substr(pumped, 9'000);
                rig.stream.write(as_bytes(piece));
                pumped += piece.size();
            }
        };
        rig.listener.when_drained = pump;
        pump();
        std::string got;
        CHECK(rig.until([&] { return (got += heard(rig.peer)).size() == text.size(); }));
        CHECK(got == text);
    }

    TEST_CASE("stream: two of them in a row hold back a fast sender for a slow reader") {
        StreamRig from;
        test::RecordingListener to_listener;
        test::SocketPair pair = test::unix_pair();
        Stream to{from.loop, std::move(pair.ours), to_listener};
        constexpr std::size_t kHigh = 64'000;
        to.set_high_mark(kHigh);
        from.listener.take = [&](ByteView bytes) {
            to.write(bytes);
            if (to.is_full()) {
                from.stream.pause(Pause::PeerIsFull);
            }
            return bytes.size();
        };
        to_listener.when_drained = [&] { from.stream.resume(Pause::PeerIsFull); };
        const std::string text = pattern(4'000'000);
        std::size_t told = 0;
        std::size_t most_unsent = 0;
        std::string got;
        std::array<char, 9'000> sip{};
        REQUIRE(from.until([&] {
            const ssize_t sent = ::send(from.peer.get(),
                                        text.data() + told,
                                        text.size() - told,
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            told += sent > 0 ? static_cast<std::size_t>(sent) : 0;
            const ssize_t read = ::recv(pair.peer.get(), sip.data(), sip.size(), MSG_DONTWAIT);
            got.append(sip.data(), read > 0 ? static_cast<std::size_t>(read) : 0);
            most_unsent = std::max(most_unsent, to.unsent());
            from.loop.post([] {});  // the next turn does not wait
            return got.size() == text.size();
        }));
        CHECK(got == text);
        CHECK(from.listener.received == text);
        CHECK(most_unsent > kHigh);
        CHECK(most_unsent <= kHigh + EventLoop::kReadBufferBytes);
    }

    TEST_CASE("stream: 50 MB written at once reach a slow reader whole") {
        StreamRig rig{test::tcp_pair()};
        const std::string text = pattern(50'000'000);
        std::size_t matched = 0;
        std::jthread reader{[&] {
            std::string chunk(300'000, '\0');
            ssize_t got = 0;
            while (matched < text.size() &&
                   (got = ::recv(rig.peer.get(), chunk.data(), chunk.size(), 0)) > 0) {
                const auto size = static_cast<std::size_t>(got);
                if (text.compare(matched, size, chunk, 0, size) != 0) {
                    break;
                }
                matched += size;
                std::this_thread::yield();
            }
            rig.loop.post([] {});
        }};
        rig.stream.write(as_bytes(text));
        CHECK(rig.stream.is_full());
        CHECK(rig.until([&] { return rig.stream.unsent() == 0; }));
        reader.join();
        CHECK(matched == text.size());
        CHECK(rig.listener.drained > 0);
    }
}

}  // namespace
}  // namespace weir::net
