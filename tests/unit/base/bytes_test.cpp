#include "base/bytes.hpp"

#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir {
namespace {

using namespace std::string_literals;

TEST_SUITE("bytes") {
    TEST_CASE("reader: big-endian numbers of each width") {
        const test::Bytes bytes = test::to_bytes("\x01\x02\x03\x80\0\0\1\xff\xff\xff\xfe"s);
        ByteReader reader{bytes};
        CHECK(reader.u8() == 1);
        CHECK(reader.u16() == 0x0203);
        CHECK(reader.u32() == 0x80000001);
        CHECK(reader.remaining() == 4);
        CHECK(reader.i32() == -2);
        CHECK(reader.remaining() == 0);
    }

    TEST_CASE("reader: what does not fit returns nothing and moves nothing") {
        const test::Bytes bytes = test::to_bytes("abc");
        ByteReader reader{bytes};
        CHECK(!reader.u32());
        CHECK(!reader.i32());
        CHECK(!reader.take(4));
        CHECK(!reader.take(std::string::npos));
        CHECK(!reader.cstring());
        CHECK(reader.remaining() == 3);
        CHECK(as_text(reader.take(3).value()) == "abc");
        CHECK(!reader.u8());
        CHECK(!reader.u16());
        CHECK(!reader.cstring());
        CHECK(reader.take(0).value().empty());
    }

    TEST_CASE("reader: strings end at their zero byte, which is consumed") {
        const test::Bytes bytes = test::to_bytes("ab\0\0c"s);
        ByteReader reader{bytes};
        CHECK(reader.cstring() == "ab");
        CHECK(reader.cstring() == "");
        CHECK(!reader.cstring());
        CHECK(as_text(reader.rest()) == "c");
    }

    TEST_CASE("reader: nothing at all") {
        ByteReader reader{ByteView{}};
        CHECK(reader.remaining() == 0);
        CHECK(!reader.u8());
        CHECK(!reader.cstring());
        CHECK(reader.take(0));
    }

    TEST_CASE("writer: what the reader reads") {
        ByteWriter writer;
        CHECK(writer.empty());
        writer.u8(0xfe);
        writer.u16(0xfedc);
        writer.u32(0xfedcba98);
        writer.i32(-1);
        writer.cstring("text");
        writer.text("x");
        CHECK(writer.size() == 1 + 2 + 4 + 4 + 5 + 1);
        ByteReader reader{writer.bytes()};
        CHECK(reader.u8() == 0xfe);
        CHECK(reader.u16() == 0xfedc);
        CHECK(reader.u32() == 0xfedcba98);
        CHECK(reader.i32() == -1);
        CHECK(reader.cstring() == "text");
        CHECK(as_text(reader.rest()) == "x");
    }

    TEST_CASE("writer: a zero byte ends a string early") {
        ByteWriter writer;
        writer.cstring("a\0b"s);
        CHECK(as_text(writer.bytes()) == "a\0"s);
    }

    TEST_CASE("writer: a length filled in later") {
        ByteWriter writer;
        writer.u8('Z');
        writer.u32(0);
        writer.u8('I');
        writer.patch_u32(1, 0x01020304);
        CHECK(as_text(writer.bytes()) == "Z\1\2\3\4I"s);
    }

    TEST_CASE("writer: taking the bytes leaves it empty") {
        ByteWriter writer;
        writer.text("abc");
        CHECK(writer.take() == test::to_bytes("abc"));
        CHECK(writer.empty());
        writer.text("d");
        writer.clear();
        CHECK(writer.size() == 0);
    }
}

}  // namespace
}  // namespace weir
