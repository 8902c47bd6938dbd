#include "cache/redis/stored_value.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

#include <algorithm>

namespace weir::cache {

namespace {

constexpr std::uint32_t kMagic = 0x57454952;  // "WEIR"
/// Changes with the layout: instances of two versions may share a Redis.
constexpr std::uint8_t kFormat = 1;
/// None are in use; a value with one has a meaning that is not known here.
constexpr std::uint8_t kFlags = 0;

void put_u64(ByteWriter& writer, std::uint64_t value) {
    writer.u32(static_cast<std::uint32_t>(value >> 32U));
    writer.u32(static_cast<std::uint32_t>(value));
}

std::optional<std::uint64_t> get_u64(ByteReader& reader) {
    const auto high = reader.u32();
    const auto low = reader.u32();
    return high && low ? std::optional{std::uint64_t{*high} << 32U | *low} : std::nullopt;
}

std::optional<std::int64_t> get_i64(ByteReader& reader) {
    const auto raw = get_u64(reader);
    return raw ? std::optional{static_cast<std::int64_t>(*raw)} : std::nullopt;
}

void put_block(ByteWriter& writer, ByteView bytes) {
    writer.u32(static_cast<std::uint32_t>(bytes.size()));
    writer.raw(bytes);
}

std::optional<ByteView> get_block(ByteReader& reader) {
    const auto length = reader.u32();
    return length ? reader.take(*length) : std::nullopt;
}

std::uint64_t checksum_of(ByteView bytes) {
    return XXH64(bytes.data(), bytes.size(), 0);
}

/// @return nothing when there are fewer than announced
std::optional<SharedVersions> get_versions(ByteReader& reader) {
    SharedVersions versions;
    const auto epoch = get_u64(reader);
    const auto count = reader.u32();
    if (!epoch || !count) {
        return std::nullopt;
    }
    versions.epoch = *epoch;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto table = reader.u32();
        const auto version = get_u64(reader);
        if (!table || !version) {
            return std::nullopt;
        }
        versions.tables.push_back({*table, *version});
    }
    return versions;
}

bool is_same(ByteView left, ByteView right) {
    return as_text(left) == as_text(right);
}

/// @return whether the bytes up to here are ours and belong to this key
bool is_head_good(ByteReader& reader, ByteView key) {
    const auto checksum = get_u64(reader);
    if (!checksum || *checksum != checksum_of(reader.rest())) {
        return false;
    }
    const auto magic = reader.u32();
    const auto format = reader.u8();
    const auto flags = reader.u8();
    if (magic != kMagic || format != kFormat || flags != kFlags) {
        return false;
    }
    const auto stored_key = get_block(reader);
    return stored_key && is_same(*stored_key, key);
}

}  // namespace

std::vector<std::byte> encode_stored_value(ByteView key,
                                           const SharedVersions& versions,
                                           const StoredResult& result) {
    ByteWriter writer;
    put_u64(writer, 0);  // the checksum, once the rest is there
    writer.u32(kMagic);
    writer.u8(kFormat);
    writer.u8(kFlags);
    put_block(writer, key);
    put_u64(writer, versions.epoch);
    writer.u32(static_cast<std::uint32_t>(versions.tables.size()));
    for (const TableVersion& table : versions.tables) {
        writer.u32(table.table);
        put_u64(writer, table.version);
    }
    put_u64(writer, result.rows);
    put_u64(writer, result.server_us);
    put_u64(writer, static_cast<std::uint64_t>(result.stored_at_ms));
    put_u64(writer, static_cast<std::uint64_t>(result.fresh_until_ms));
    put_block(writer, result.reply);
    const std::uint64_t checksum = checksum_of(writer.bytes().subspan(sizeof(checksum)));
    writer.patch_u32(0, static_cast<std::uint32_t>(checksum >> 32U));
    writer.patch_u32(sizeof(std::uint32_t), static_cast<std::uint32_t>(checksum));
    return writer.take();
}

std::optional<StoredValue> decode_stored_value(ByteView bytes, ByteView key) {
    ByteReader reader{bytes};
    if (!is_head_good(reader, key)) {
        return std::nullopt;
    }
    auto versions = get_versions(reader);
    if (!versions) {
        return std::nullopt;
    }
    const auto rows = get_u64(reader);
    const auto server_us = get_u64(reader);
    const auto stored_at_ms = get_i64(reader);
    const auto fresh_until_ms = get_i64(reader);
    const auto reply = get_block(reader);
    if (!rows || !server_us || !stored_at_ms || !fresh_until_ms || !reply ||
        reader.remaining() != 0) {
        return std::nullopt;
    }
    return StoredValue{std::move(*versions),
                       {*rows, *server_us, *stored_at_ms, *fresh_until_ms, *reply}};
}

}  // namespace weir::cache
