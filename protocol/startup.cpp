#include "protocol/startup.hpp"

#include "protocol/limits.hpp"

#include <algorithm>
#include <array>

namespace weir::protocol {

namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kVersionBytes = 4;
constexpr std::string_view kOptionPrefix = "_pq_.";

template <std::size_t N>
auto violation(const char (&what)[N]) {
    return fail(ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, what);
}

/// Adds one pair; a repeated name moves to the end with its new value, which is what setting it
/// twice would do.
void set_parameter(StartupPacket& packet, std::string_view name, std::string_view value) {
    const auto same_name = [name](const auto& pair) { return pair.first == name; };
    const auto old = std::find_if(packet.parameters.begin(), packet.parameters.end(), same_name);
    if (old != packet.parameters.end()) {
        packet.parameters.erase(old);
    }
    packet.parameters.emplace_back(name, value);
}

Result<void> read_parameters(ByteReader& reader, StartupPacket& packet) {
    for (std::size_t pairs = 0;; ++pairs) {
        const auto name = reader.cstring();
        if (!name) {
            return violation("invalid startup packet layout: expected terminator as last byte");
        }
        if (name->empty()) {
            break;
        }
        const auto value = reader.cstring();
        if (!value) {
            return violation("invalid startup packet layout: expected terminator as last byte");
        }
        if (pairs == kMaxStartupParameters) {
            return fail(ErrorCode::MessageTooLarge,
                        sqlstate::kProgramLimitExceeded,
                        "too many parameters in startup packet");
        }
        if (name->starts_with(kOptionPrefix)) {
            packet.protocol_options.emplace_back(*name);
        } else {
            set_parameter(packet, *name, *value);
        }
    }
    if (reader.remaining() != 0) {
        return violation("invalid startup packet layout: expected terminator as last byte");
    }
    const std::string* user = packet.find("user");
    if (user == nullptr || user->empty()) {
        return fail(ErrorCode::Rejected,
                    sqlstate::kInvalidAuthorizationSpecification,
                    "no PostgreSQL user name specified in startup packet");
    }
    return {};
}

Result<void> read_cancel(ByteReader& reader, StartupPacket& packet) {
    const auto process_id = reader.u32();
    const ByteView secret = reader.rest();
    if (!process_id || secret.size() < kMinCancelSecretBytes ||
        secret.size() > kMaxCancelSecretBytes) {
        return violation("invalid length of cancel request packet");
    }
    packet.cancel_process_id = *process_id;
    packet.cancel_secret.assign(secret.begin(), secret.end());
    return {};
}

Result<void> read_request_without_body(const ByteReader& reader,
                                       StartupPacket& packet,
                                       StartupKind kind) {
    packet.kind = kind;
    if (reader.remaining() != 0) {
        return violation("invalid length of startup packet");
    }
    return {};
}

/// @param reader stands behind the length field and ends where the packet ends
Result<void> read_packet(ByteReader& reader, StartupPacket& packet) {
    const auto code = reader.u32();
    if (!code) {
        return violation("invalid length of startup packet");
    }
    switch (*code) {
        case kSslRequestCode:
            return read_request_without_body(reader, packet, StartupKind::SslRequest);
        case kGssEncRequestCode:
            return read_request_without_body(reader, packet, StartupKind::GssEncRequest);
        case kCancelRequestCode:
            packet.kind = StartupKind::CancelRequest;
            return read_cancel(reader, packet);
        default: break;
    }
    packet.kind = StartupKind::Startup;
    packet.major = static_cast<std::uint16_t>(*code >> 16U);
    packet.minor = static_cast<std::uint16_t>(*code & 0xffffU);
    if (packet.major != kProtocolMajor) {
        return fail(ErrorCode::Unsupported,
                    sqlstate::kFeatureNotSupported,
                    "unsupported frontend protocol");
    }
    return read_parameters(reader, packet);
}

}  // namespace

const std::string* StartupPacket::find(std::string_view name) const {
    const auto same_name = [name](const auto& pair) { return pair.first == name; };
    const auto found = std::find_if(parameters.begin(), parameters.end(), same_name);
    return found == parameters.end() ? nullptr : &found->second;
}

bool is_packet_word(std::string_view name) {
    constexpr std::array<std::string_view, 4> kWords = {
        "user", "database", "replication", "options"};
    return name.starts_with(kOptionPrefix) ||
           std::find(kWords.begin(), kWords.end(), name) != kWords.end();
}

StartupResult read_startup(ByteView bytes) {
    StartupResult result;
    const auto length = ByteReader{bytes}.u32();
    if (!length) {
        return result;
    }
    if (*length < kLengthBytes + kVersionBytes || *length > kLengthBytes + kMaxStartupBytes) {
        result.status = FrameStatus::Invalid;
        result.error.emplace(ErrorCode::ProtocolViolation,
                             sqlstate::kProtocolViolation,
                             "invalid length of startup packet");
        return result;
    }
    if (bytes.size() < *length) {
        return result;
    }
    ByteReader reader{bytes.first(*length).subspan(kLengthBytes)};
    const auto read = read_packet(reader, result.packet);
    result.packet.size = *length;
    result.status = read ? FrameStatus::Complete : FrameStatus::Invalid;
    if (!read) {
        result.error = read.error();
    }
    return result;
}

}  // namespace weir::protocol
