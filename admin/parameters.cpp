#include "admin/parameters.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace weir::admin {

namespace {

/// @source pg_type.dat of PostgreSQL 15
constexpr std::uint32_t kBool = 16;
constexpr std::uint32_t kName = 19;
constexpr std::uint32_t kInt8 = 20;
constexpr std::uint32_t kInt2 = 21;
constexpr std::uint32_t kInt4 = 23;
constexpr std::uint32_t kText = 25;
constexpr std::uint32_t kOid = 26;
constexpr std::uint32_t kFloat4 = 700;
constexpr std::uint32_t kFloat8 = 701;
constexpr std::uint32_t kUnknown = 705;
constexpr std::uint32_t kBpchar = 1042;
constexpr std::uint32_t kVarchar = 1043;

constexpr SqlState kInvalidTextRepresentation{"22P02"};
constexpr SqlState kInvalidBinaryRepresentation{"22P03"};

protocol::ErrorFields problem(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

template <class T>
std::optional<Cell> number_of(std::string_view text) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && at == end ? std::optional<Cell>{value} : std::nullopt;
}

/// @return nothing for a text that is no value of the type
std::optional<Cell> from_text(std::uint32_t type, std::string_view text) {
    switch (type) {
        case kInt2:
        case kInt4:
        case kInt8:
        case kOid: return number_of<std::int64_t>(text);
        case kFloat4:
        case kFloat8: return number_of<double>(text);
        case kBool:
            return std::int64_t{text == "t" || text == "true" || text == "1" || text == "on"};
        default: return std::string{text};
    }
}

/// @return the big-endian number, its sign extended; nothing when it is not `bytes` long
std::optional<std::int64_t> from_network(ByteView value, std::size_t bytes) {
    if (value.size() != bytes) {
        return std::nullopt;
    }
    constexpr unsigned kByteBits = 8;
    std::uint64_t bits = 0;
    for (const std::byte byte : value) {
        bits = (bits << kByteBits) | std::to_integer<std::uint64_t>(byte);
    }
    const auto shift = static_cast<unsigned>((sizeof bits - bytes) * kByteBits);
    return static_cast<std::int64_t>(bits << shift) >> shift;
}

std::optional<Cell> from_binary(std::uint32_t type, ByteView value) {
    std::optional<std::int64_t> bits;
    switch (type) {
        case kBool: bits = from_network(value, 1); break;
        case kInt2: bits = from_network(value, sizeof(std::int16_t)); break;
        case kOid:
        case kInt4: bits = from_network(value, sizeof(std::int32_t)); break;
        case kInt8: bits = from_network(value, sizeof(std::int64_t)); break;
        case kFloat4:
            bits = from_network(value, sizeof(float));
            return bits ? std::optional<Cell>{static_cast<double>(
                              std::bit_cast<float>(static_cast<std::int32_t>(*bits)))}
                        : std::nullopt;
        case kFloat8:
            bits = from_network(value, sizeof(double));
            return bits ? std::optional<Cell>{std::bit_cast<double>(*bits)} : std::nullopt;
        case 0:
        case kName:
        case kText:
        case kUnknown:
        case kBpchar:
        case kVarchar: return std::string{as_text(value)};
        default: return std::nullopt;
    }
    return bits ? std::optional<Cell>{*bits} : std::nullopt;
}

}  // namespace

void complete_types(std::vector<std::uint32_t>& types, std::size_t count) {
    types.resize(std::max(types.size(), count));
    for (std::uint32_t& type : types) {
        type = type == 0 ? kText : type;
    }
}

std::variant<std::vector<Cell>, protocol::ErrorFields> read_parameters(
    const protocol::BindView& bind, const std::vector<std::uint32_t>& types) {
    const auto& formats = bind.parameter_formats;
    if (formats.size() > 1 && formats.size() != bind.parameters.size()) {
        return problem(sqlstate::kProtocolViolation,
                       "bind message's parameter formats do not fit the parameters");
    }
    std::vector<Cell> values;
    for (std::size_t i = 0; i < bind.parameters.size(); ++i) {
        const auto& given = bind.parameters[i];
        if (!given) {
            values.emplace_back();
            continue;
        }
        const std::uint16_t format =
            formats.empty() ? std::uint16_t{0} : formats[formats.size() == 1 ? 0 : i];
        const bool is_binary = format == static_cast<std::uint16_t>(Format::Binary);
        auto value =
            is_binary ? from_binary(types[i], *given) : from_text(types[i], as_text(*given));
        if (!value) {
            return problem(is_binary ? kInvalidBinaryRepresentation : kInvalidTextRepresentation,
                           "parameter $" + std::to_string(i + 1) +
                               " is no value of its type (OID " + std::to_string(types[i]) + ")");
        }
        values.push_back(*std::move(value));
    }
    return values;
}

}  // namespace weir::admin
