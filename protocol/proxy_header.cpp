#include "protocol/proxy_header.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::protocol {

namespace {

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kFixedBytes = 16;
constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kLocal = 0;
constexpr std::uint8_t kProxy = 1;
constexpr std::uint8_t kTcpOverV4 = 0x11;
constexpr std::uint8_t kTcpOverV6 = 0x21;

/// Source and destination address, then source and destination port.
/// @param bytes of one address
bool read_address(ByteReader body, int family, std::size_t bytes, ProxyHeader& header) {
    const auto source = body.take(bytes);
    const auto destination = body.take(bytes);
    const auto port = body.u16();
    if (!source || !destination || !port || body.remaining() < sizeof(*port)) {
        return false;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::inet_ntop(family, source->data(), text.data(), text.size()) == nullptr) {
        return false;
    }
    header.has_address = true;
    header.address = text.data();
    header.port = *port;
    return true;
}

}  // namespace

ProxyHeaderResult read_proxy_header(ByteView bytes) {
    const std::size_t there = std::min(bytes.size(), kSignature.size());
    if (as_text(bytes.first(there)) != kSignature.substr(0, there)) {
        return {FrameStatus::Invalid, {}};
    }
    if (bytes.size() < kFixedBytes) {
        return {};
    }
    ByteReader reader{bytes.subspan(kSignature.size())};
    const std::uint8_t version_and_command = *reader.u8();
    const std::uint8_t family = *reader.u8();
    const std::size_t body_bytes = *reader.u16();
    const auto command = static_cast<std::uint8_t>(version_and_command & 0x0fU);
    ProxyHeaderResult result;
    result.header.size = kFixedBytes + body_bytes;
    if (version_and_command >> 4U != kVersion || (command != kLocal && command != kProxy) ||
        result.header.size > kMaxProxyHeaderBytes) {
        return {FrameStatus::Invalid, {}};
    }
    if (bytes.size() < result.header.size) {
        return {};
    }
    result.status = FrameStatus::Complete;
    const ByteReader body{bytes.subspan(kFixedBytes, body_bytes)};
    bool is_right = true;
    if (command == kProxy && family == kTcpOverV4) {
        is_right = read_address(body, AF_INET, sizeof(in_addr), result.header);
    } else if (command == kProxy && family == kTcpOverV6) {
        is_right = read_address(body, AF_INET6, sizeof(in6_addr), result.header);
    }
    return is_right ? result : ProxyHeaderResult{FrameStatus::Invalid, {}};
}

}  // namespace weir::protocol
