#include "net/stream.hpp"
#include "tests/support/stream_support.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::heard;
using test::hung_up;
using test::StreamRig;
using test::tell;

/// Makes close() of this end reset the connection instead of ending it.
void reset_by(Fd& peer) {
    const linger at_once{1, 0};
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    peer.reset();
}

TEST_SUITE("net_stream_end") {
    TEST_CASE("stream: tells once that the peer has closed, after its last bytes") {
        StreamRig rig;
        REQUIRE(tell(rig.peer, "bye"));
        rig.peer.reset();
        std::string received_before;
        rig.listener.when_closed = [&] { received_before = rig.listener.received; };
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(received_before == "bye");
        CHECK(rig.listener.why == ErrorCode::Closed);
        CHECK(!rig.stream.is_open());
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.closed == 1);
    }

    TEST_CASE("stream: a reset connection is broken, not closed") {
        StreamRig rig{test::tcp_pair()};
        reset_by(rig.peer);
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(rig.listener.why == ErrorCode::Network);
    }

    TEST_CASE("stream: a write to a peer that is gone is told later, once, never from the write") {
        StreamRig rig;
        SUBCASE("nothing was waiting") {}
        SUBCASE("while it is not read for a full peer") {
            rig.stream.pause(Pause::PeerIsFull);
        }
        SUBCASE("while it is not read for waiting") {
            rig.stream.pause(Pause::Waiting);
        }
        SUBCASE("bytes were waiting") {
            rig.stream.write(as_bytes(test::pattern(2'000'000)));
            CHECK(rig.stream.unsent() > 0);
        }
        rig.peer.reset();
        rig.stream.write(as_bytes("anybody there?"));
        rig.stream.write(as_bytes("hello?"));
        CHECK(rig.listener.closed == 0);
        CHECK(rig.stream.is_open());
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(!rig.stream.is_open());
        rig.stream.write(as_bytes("still?"));
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.closed == 1);
        CHECK(rig.stream.unsent() == 0);
    }

    TEST_CASE("stream: the peer's last words are read even when a write has failed") {
        StreamRig rig;
        REQUIRE(tell(rig.peer, "FATAL: shutting down"));
        rig.peer.reset();
        rig.stream.write(as_bytes("SELECT 1"));
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(rig.listener.received == "FATAL: shutting down");
        CHECK(rig.listener.closed == 1);
    }

    TEST_CASE("stream: whoever hangs up while waiting is noticed") {
        StreamRig rig;
        rig.stream.pause(Pause::Waiting);
        SUBCASE("silently") {}
        SUBCASE("after asking for more") {
            REQUIRE(tell(rig.peer, "more"));
        }
        SUBCASE("while its peer is full, too") {
            rig.stream.pause(Pause::PeerIsFull);
        }
        test::turn_for(rig.loop, milliseconds{2});
        CHECK(rig.listener.closed == 0);
        rig.peer.reset();
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(rig.listener.why == ErrorCode::Closed);
        CHECK(rig.listener.received.empty());
    }

    TEST_CASE("stream: an end that comes while the other side is full keeps the bytes before it") {
        StreamRig rig;
        rig.stream.pause(Pause::PeerIsFull);
        const std::string text = test::pattern(100'000);
        REQUIRE(tell(rig.peer, text));
        rig.peer.reset();
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.closed == 0);
        CHECK(rig.listener.received.empty());
        rig.stream.resume(Pause::PeerIsFull);
        REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        CHECK(rig.listener.received == text);
        CHECK(rig.listener.why == ErrorCode::Closed);
    }

    TEST_CASE("stream: closing tells the peer and not the listener, and twice is once") {
        StreamRig rig;
        rig.stream.write(as_bytes("last words"));
        rig.stream.close();
        rig.stream.close();
        CHECK(!rig.stream.is_open());
        CHECK(heard(rig.peer) == "last words");
        CHECK(hung_up(rig.peer));
        rig.stream.write(as_bytes("too late"));
        rig.stream.offer_unread();
        rig.stream.pause(Pause::Waiting);
        rig.stream.resume(Pause::Waiting);
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.closed == 0);
        CHECK(rig.listener.offers == 0);
    }

    TEST_CASE(
        "stream: what was sent before closing arrives although the peer's bytes were unread") {
        StreamRig rig{test::tcp_pair()};
        rig.stream.pause(Pause::Closing);
        REQUIRE(tell(rig.peer, test::pattern(30'000)));
        test::turn_for(rig.loop, milliseconds{5});
        rig.stream.write(as_bytes("FATAL: you say too much"));
        rig.stream.close();
        CHECK(heard(rig.peer) == "FATAL: you say too much");
        CHECK(hung_up(rig.peer));
    }

    TEST_CASE("stream: may be closed from within any callback") {
        StreamRig rig;
        SUBCASE("from an offer of what was read") {
            rig.listener.take = [&](ByteView) {
                rig.stream.close();
                return std::size_t{0};
            };
            REQUIRE(tell(rig.peer, test::pattern(100'000)));
            REQUIRE(rig.until([&] { return rig.listener.offers > 0; }));
        }
        SUBCASE("from an offer of what was unread") {
            rig.listener.take = [](ByteView) { return std::size_t{0}; };
            REQUIRE(tell(rig.peer, "abc"));
            REQUIRE(rig.until([&] { return rig.listener.offers > 0; }));
            rig.listener.take = [&](ByteView) {
                rig.stream.close();
                return std::size_t{1};
            };
            rig.stream.offer_unread();
        }
        SUBCASE("from on_drained, with bytes to read") {
            rig.listener.when_drained = [&] { rig.stream.close(); };
            rig.stream.write(as_bytes(test::pattern(2'000'000)));
            REQUIRE(tell(rig.peer, "abc"));
            rig.stream.pause(Pause::PeerIsFull);
            rig.stream.resume(Pause::PeerIsFull);
            REQUIRE(rig.until([&] {
                static_cast<void>(heard(rig.peer));
                return rig.listener.drained > 0;
            }));
        }
        SUBCASE("from on_closed") {
            rig.listener.when_closed = [&] { rig.stream.close(); };
            rig.peer.reset();
            REQUIRE(rig.until([&] { return rig.listener.closed > 0; }));
        }
        CHECK(!rig.stream.is_open());
        const int offers = rig.listener.offers;
        const int closed = rig.listener.closed;
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.offers == offers);
        CHECK(rig.listener.closed == closed);
    }

    TEST_CASE("stream: its owner may give it up from within a callback") {
        EventLoop loop;
        test::SocketPair pair = test::unix_pair();

        struct Owner {
            Owner(EventLoop& events, Fd fd) : stream{events, std::move(fd), listener} {}

            test::RecordingListener listener;
            Stream stream;
        };

        auto owner = std::make_unique<Owner>(loop, std::move(pair.ours));
        bool is_given_up = false;
        owner->listener.take = [&](ByteView bytes) {
            loop.defer_delete(std::move(owner));
            is_given_up = true;
            return bytes.size() / 2;
        };
        REQUIRE(tell(pair.peer, test::pattern(100'000)));
        CHECK(test::turn_until(loop, [&] { return is_given_up && hung_up(pair.peer); }));
    }

    TEST_CASE("stream: a descriptor number used again at once belongs to its new owner only") {
        StreamRig rig;
        const int number = rig.stream.fd();
        rig.stream.close();
        test::SocketPair pair = test::unix_pair();  // the kernel hands out the lowest number
        test::RecordingListener listener;
        CHECK(pair.ours.get() == number);
        Stream next{rig.loop, std::move(pair.ours), listener};
        REQUIRE(tell(pair.peer, "for the new one"));
        CHECK(rig.until([&] { return listener.received == "for the new one"; }));
        CHECK(rig.listener.offers == 0);
    }
}

}  // namespace
}  // namespace weir::net
