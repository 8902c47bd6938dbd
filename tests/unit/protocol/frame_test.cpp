#include "protocol/frame.hpp"

#include "protocol/limits.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>

namespace weir::protocol {
namespace {

test::Bytes header_bytes(char type, std::uint32_t length) {
    ByteWriter writer;
    writer.u8(static_cast<std::uint8_t>(type));
    writer.u32(length);
    return writer.take();
}

TEST_SUITE("frame") {
    TEST_CASE("frame header: waits for five bytes and then stays the same") {
        test::Bytes frame = header_bytes('Q', 4 + 7);
        for (const std::byte byte : test::to_bytes("SELECT\0")) {
            frame.push_back(byte);
        }
        test::feed_all_ways(frame, [](const std::vector<test::Bytes>& chunks) {
            test::Bytes seen;
            for (const test::Bytes& chunk : chunks) {
                seen.insert(seen.end(), chunk.begin(), chunk.end());
                const test::Bytes exact{seen.begin(), seen.end()};
                const FrameResult result = read_header(exact);
                if (exact.size() < kHeaderBytes) {
                    CHECK(result.status == FrameStatus::NeedMore);
                    continue;
                }
                REQUIRE(result.status == FrameStatus::Complete);
                CHECK(result.header.type == 'Q');
                CHECK(result.header.body_bytes() == 7);
                CHECK(result.header.frame_bytes() == 12);
            }
        });
    }

    TEST_CASE("frame header: lengths at and beyond every border") {
        struct Row {
            std::uint32_t length;
            FrameStatus status;
        };

        constexpr std::array kRows{
            Row{0, FrameStatus::Invalid},
            Row{3, FrameStatus::Invalid},
            Row{4, FrameStatus::Complete},
            Row{5, FrameStatus::Complete},
            Row{0x7ffffffe, FrameStatus::Complete},
            Row{0x7fffffff, FrameStatus::Complete},
            Row{0x80000000, FrameStatus::Invalid},
            Row{0xfffffffe, FrameStatus::Invalid},
            Row{0xffffffff, FrameStatus::Invalid},
        };
        for (const Row& row : kRows) {
            CAPTURE(row.length);
            const FrameResult result = read_header(header_bytes('D', row.length));
            CHECK(result.status == row.status);
            if (row.status == FrameStatus::Complete) {
                CHECK(result.header.frame_bytes() == std::size_t{row.length} + 1);
                CHECK(result.header.body_bytes() == std::size_t{row.length} - 4);
            }
        }
    }

    TEST_CASE("frame body: the bytes between header and next frame") {
        const test::Bytes bytes = test::to_bytes({"Z\0\0\0\5IZ\0\0\0\5T", 12});
        const FrameResult result = read_header(bytes);
        REQUIRE(result.status == FrameStatus::Complete);
        CHECK(as_text(body_of(bytes, result.header)) == "I");
    }
}

}  // namespace
}  // namespace weir::protocol
