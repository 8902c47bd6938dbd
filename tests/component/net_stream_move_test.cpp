#include "net/stream.hpp"
#include "tests/support/stream_support.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::heard;
using test::RecordingListener;
using test::StreamRig;
using test::tell;

TEST_SUITE("net_stream_move") {
    TEST_CASE("stream: detached it is closed here, and goes on with a new owner") {
        StreamRig rig;
        REQUIRE(tell(rig.peer, "one"));
        REQUIRE(rig.until_received("one"));
        DetachedStream detached = rig.stream.detach();
        CHECK(!rig.stream.is_open());
        CHECK(detached.fd.is_open());
        REQUIRE(tell(rig.peer, "two"));
        test::turn_for(rig.loop, milliseconds{5});
        RecordingListener next_listener;
        Stream next{rig.loop, std::move(detached), next_listener};
        CHECK(rig.until([&] { return next_listener.received == "two"; }));
        next.write(as_bytes("three"));
        CHECK(heard(rig.peer) == "three");
        CHECK(rig.listener.received == "one");
        CHECK(rig.listener.closed == 0);
    }

    TEST_CASE("stream: takes along what is unread and what is unsent") {
        StreamRig rig;
        rig.listener.take = [](ByteView) { return std::size_t{1}; };
        REQUIRE(tell(rig.peer, "abc"));
        REQUIRE(rig.until_received("a"));
        const std::string text = test::pattern(1'500'000);
        rig.stream.write(as_bytes(text));
        REQUIRE(rig.stream.unsent() > 0);
        DetachedStream detached = rig.stream.detach();
        CHECK(as_text(detached.unread.view()) == "bc");
        CHECK(detached.unsent.size() > 0);
        CHECK(rig.stream.unread() == 0);
        CHECK(rig.stream.unsent() == 0);

        RecordingListener next_listener;
        Stream next{rig.loop, std::move(detached), next_listener};
        CHECK(next.unread() == 2);
        next.offer_unread();
        CHECK(next_listener.received == "bc");
        std::string got;
        CHECK(rig.until([&] { return (got += heard(rig.peer)).size() == text.size(); }));
        CHECK(got == text);
        CHECK(rig.until([&] { return next_listener.drained > 0; }));
    }

    TEST_CASE("stream: one that was detached and dropped closes its socket") {
        StreamRig rig;
        { const DetachedStream detached = rig.stream.detach(); }
        CHECK(test::hung_up(rig.peer));
        test::turn_for(rig.loop, milliseconds{5});
        CHECK(rig.listener.closed == 0);
    }

    TEST_CASE("stream: moves to a loop of another thread and back") {
        StreamRig rig;
        RecordingListener there_listener;
        auto moving = std::make_shared<DetachedStream>(rig.stream.detach());
        bool is_back = false;
        EventLoop there;
        const std::jthread other{[&] {
            std::unique_ptr<Stream> stream;
            there.post([&] {
                stream = std::make_unique<Stream>(there, std::move(*moving), there_listener);
                stream->write(as_bytes("from there"));
            });
            there_listener.take = [&](ByteView bytes) {
                there.post([&] {
                    *moving = stream->detach();
                    stream.reset();
                    rig.loop.post([&is_back] { is_back = true; });
                    there.stop();
                });
                return bytes.size() - 1;  // one byte travels along unread
            };
            there.run();
        }};
        REQUIRE(tell(rig.peer, "come home!"));
        REQUIRE(rig.until([&is_back] { return is_back; }));
        RecordingListener home_listener;
        Stream home{rig.loop, std::move(*moving), home_listener};
        home.offer_unread();
        CHECK(home_listener.received == "!");
        REQUIRE(tell(rig.peer, "and on"));
        CHECK(rig.until([&] { return home_listener.received == "!and on"; }));
        CHECK(there_listener.received == "come home");
        CHECK(heard(rig.peer) == "from there");
    }

    TEST_CASE("stream: a peer that hung up in between is noticed after the move") {
        StreamRig rig;
        DetachedStream detached = rig.stream.detach();
        rig.peer.reset();
        RecordingListener next_listener;
        const Stream next{rig.loop, std::move(detached), next_listener};
        CHECK(rig.until([&] { return next_listener.closed == 1; }));
        CHECK(next_listener.why == ErrorCode::Closed);
    }
}

}  // namespace
}  // namespace weir::net
