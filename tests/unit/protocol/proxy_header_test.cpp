#include "protocol/proxy_header.hpp"

#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::protocol {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr char kProxy = '\x21';
constexpr char kLocal = '\x20';

test::Bytes header(char command, char family, std::string_view body) {
    std::string text{kSignature};
    text += command;
    text += family;
    text += static_cast<char>(body.size() >> 8U);
    text += static_cast<char>(body.size() & 0xffU);
    text += body;
    return test::to_bytes(text);
}

test::Bytes over_v4() {
    return header(kProxy, '\x11', "\xc0\x00\x02\x07\x7f\x00\x00\x01\xc3\x50\x18\xe0"sv);
}

/// Read in pieces it is waited for, then complete; what follows does not matter.
ProxyHeader read_all_ways(const test::Bytes& bytes) {
    ProxyHeader header;
    test::feed_all_ways(bytes, [&](const std::vector<test::Bytes>& chunks) {
        test::Bytes seen;
        for (const test::Bytes& chunk : chunks) {
            seen.insert(seen.end(), chunk.begin(), chunk.end());
            const test::Bytes exact{seen};
            const auto result = read_proxy_header(exact);
            REQUIRE(result.status ==
                    (seen.size() < bytes.size() ? FrameStatus::NeedMore : FrameStatus::Complete));
            header = result.header;
        }
    });
    test::Bytes longer{bytes};
    longer.push_back(std::byte{0});
    CHECK(read_proxy_header(longer).header.size == bytes.size());
    CHECK(header.size == bytes.size());
    return header;
}

TEST_SUITE("proxy header") {
    TEST_CASE("a client over IPv4") {
        const ProxyHeader read = read_all_ways(over_v4());
        CHECK(read.has_address);
        CHECK(read.address == "192.0.2.7");
        CHECK(read.port == 50000);
    }

    TEST_CASE("a client over IPv6, with extensions behind the addresses") {
        std::string body = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"s;
        body += std::string(15, '\0') + '\x01';
        body += "\xc3\x50\x18\xe0\x04\x00\x03xyz"sv;
        const ProxyHeader read = read_all_ways(header(kProxy, '\x21', body));
        CHECK(read.has_address);
        CHECK(read.address == "2001:db8::7");
        CHECK(read.port == 50000);
    }

    TEST_CASE(
        "a check by the balancer itself, a unix socket and an unknown family have no address") {
        CHECK_FALSE(read_all_ways(header(kLocal, '\x00', "")).has_address);
        CHECK_FALSE(read_all_ways(header(kLocal, '\x11', "whatever"sv)).has_address);
        CHECK_FALSE(read_all_ways(header(kProxy, '\x31', std::string(216, 'u'))).has_address);
        CHECK_FALSE(read_all_ways(header(kProxy, '\x00', "")).has_address);
    }

    TEST_CASE("what is no such header is told as early as it can be") {
        CHECK(read_proxy_header({}).status == FrameStatus::NeedMore);
        const test::Bytes startup = test::to_bytes("\0\0\0\x08\x04\xd2\x16\x2f"sv);
        CHECK(read_proxy_header(ByteView{startup}.first(1)).status == FrameStatus::Invalid);
        CHECK(read_proxy_header(test::to_bytes("PROXY TCP4 1.2.3.4")).status ==
              FrameStatus::Invalid);
        CHECK(read_proxy_header(test::to_bytes("\r\n\r\n\0\r\nQUIT!"sv)).status ==
              FrameStatus::Invalid);
    }

    TEST_CASE("wrong versions, commands and lengths are refused") {
        CHECK(read_proxy_header(header('\x11', '\x11', std::string(12, 'x'))).status ==
              FrameStatus::Invalid);
        CHECK(read_proxy_header(header('\x22', '\x11', std::string(12, 'x'))).status ==
              FrameStatus::Invalid);
        CHECK(read_proxy_header(header(kProxy, '\x11', std::string(11, 'x'))).status ==
              FrameStatus::Invalid);
        CHECK(read_proxy_header(header(kProxy, '\x21', std::string(35, 'x'))).status ==
              FrameStatus::Invalid);
        const test::Bytes long_one = header(kProxy, '\x11', std::string(kMaxProxyHeaderBytes, 'x'));
        CHECK(read_proxy_header(ByteView{long_one}.first(16)).status == FrameStatus::Invalid);
    }
}

}  // namespace
}  // namespace weir::protocol
