#include "admin/table.hpp"

#include "base/check.hpp"
#include "protocol/message_frame.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <ctime>
#include <limits>

namespace weir::admin {

namespace {

struct WireType {
    std::string_view name;
    std::uint32_t oid;
    std::int16_t length;
};

/// @source pg_type.dat of PostgreSQL 15
WireType wire_type(ColumnType type) {
    switch (type) {
        case ColumnType::Text: return {"text", 25, -1};
        case ColumnType::Int4: return {"int4", 23, 4};
        case ColumnType::Int8: return {"int8", 20, 8};
        case ColumnType::Numeric: return {"numeric", 1700, -1};
        case ColumnType::Float8: return {"float8", 701, 8};
    }
    return {"text", 25, -1};
}

Format format_at(std::span<const Format> formats, std::size_t i) {
    return formats.empty() ? Format::Text : formats[i];
}

std::int64_t shown(ColumnType type, std::int64_t value) {
    using Int4 = std::numeric_limits<std::int32_t>;
    return type == ColumnType::Int4 ? std::clamp<std::int64_t>(value, Int4::min(), Int4::max())
                                    : value;
}

void write_int8(ByteWriter& writer, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    writer.u32(static_cast<std::uint32_t>(bits >> 32U));
    writer.u32(static_cast<std::uint32_t>(bits));
}

/// numeric_send() of PostgreSQL: count of digits, weight of the first, sign, display scale, digits
/// to the base 10000.
void write_numeric(ByteWriter& writer, std::int64_t value) {
    constexpr std::uint64_t kBase = 10000;
    constexpr std::uint16_t kNegative = 0x4000;
    std::uint64_t rest = value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                                   : static_cast<std::uint64_t>(value);
    std::vector<std::uint16_t> digits;
    for (; rest != 0; rest /= kBase) {
        digits.push_back(static_cast<std::uint16_t>(rest % kBase));
    }
    const auto weight = digits.empty() ? std::size_t{0} : digits.size() - 1;
    writer.u16(static_cast<std::uint16_t>(digits.size()));
    writer.u16(static_cast<std::uint16_t>(weight));
    writer.u16(value < 0 ? kNegative : std::uint16_t{0});
    writer.u16(0);
    std::for_each(
        digits.rbegin(), digits.rend(), [&writer](std::uint16_t digit) { writer.u16(digit); });
}

void write_binary(ByteWriter& writer, ColumnType type, std::int64_t value) {
    switch (type) {
        case ColumnType::Int4: writer.i32(static_cast<std::int32_t>(shown(type, value))); return;
        case ColumnType::Int8: write_int8(writer, value); return;
        case ColumnType::Numeric: write_numeric(writer, value); return;
        case ColumnType::Float8:
        case ColumnType::Text: writer.text(std::to_string(value)); return;
    }
}

void write_real(ByteWriter& writer, Format format, double value) {
    if (format == Format::Binary) {
        write_int8(writer, std::bit_cast<std::int64_t>(value));
        return;
    }
    std::array<char, 32> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    writer.text(std::string_view{text.data(), static_cast<std::size_t>(end - text.data())});
}

void write_cell(ByteWriter& writer, ColumnType type, Format format, const Cell& value) {
    const std::size_t start = writer.size();
    writer.u32(0);
    if (const auto* text = std::get_if<std::string>(&value)) {
        WEIR_ASSERT(type == ColumnType::Text);
        writer.text(*text);
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        if (format == Format::Binary) {
            write_binary(writer, type, *number);
        } else {
            writer.text(std::to_string(shown(type, *number)));
        }
    }
    if (const auto* real = std::get_if<double>(&value)) {
        write_real(writer, format, *real);
    }
    writer.patch_u32(start,
                     static_cast<std::uint32_t>(writer.size() - start - sizeof(std::uint32_t)));
}

}  // namespace

std::string_view name_of(ColumnType type) {
    return wire_type(type).name;
}

Cell cell(std::uint64_t value) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::int64_t>(std::min(value, kMax));
}

Cell text_or_null(std::string_view text) {
    return text.empty() ? Cell{} : Cell{std::string{text}};
}

Cell time_cell(std::int64_t unix_ms) {
    constexpr std::int64_t kMillisecondsPerSecond = 1000;
    if (unix_ms == 0) {
        return {};
    }
    const auto seconds = static_cast<std::time_t>(unix_ms / kMillisecondsPerSecond);
    std::tm parts{};
    std::array<char, 64> text{};
    if (gmtime_r(&seconds, &parts) == nullptr) {
        return {};
    }
    const std::size_t length =
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
    return std::string{text.data(), length};
}

void write_description(ByteWriter& writer,
                       std::span<const Column> columns,
                       std::span<const Format> formats) {
    const protocol::MessageFrame frame{writer, protocol::BackendMessage::RowDescription};
    writer.u16(static_cast<std::uint16_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const WireType type = wire_type(columns[i].type);
        writer.cstring(columns[i].name);
        writer.u32(0);  // no table
        writer.u16(0);  // no attribute number
        writer.u32(type.oid);
        writer.u16(static_cast<std::uint16_t>(type.length));
        writer.i32(-1);  // no type modifier
        writer.u16(static_cast<std::uint16_t>(format_at(formats, i)));
    }
}

void write_row(ByteWriter& writer,
               std::span<const Column> columns,
               std::span<const Format> formats,
               const Row& row) {
    WEIR_CHECK(row.size() == columns.size());
    const protocol::MessageFrame frame{writer, protocol::BackendMessage::DataRow};
    writer.u16(static_cast<std::uint16_t>(row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (std::holds_alternative<std::monostate>(row[i])) {
            writer.i32(-1);  // NULL
        } else {
            write_cell(writer, columns[i].type, format_at(formats, i), row[i]);
        }
    }
}

}  // namespace weir::admin
