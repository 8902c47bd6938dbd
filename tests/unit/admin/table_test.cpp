#include "admin/table.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace weir::admin {

namespace {

constexpr std::size_t kRowHeader =
    5 + 2 + 4;  // type and length, count of cells, length of the cell

/// The bytes of the only cell of a row.
std::string cell_bytes(ColumnType type, Format format, Cell value) {
    ByteWriter writer;
    const Column column{"x", type};
    write_row(writer, std::span{&column, 1}, std::span{&format, 1}, Row{std::move(value)});
    return std::string{as_text(writer.bytes())}.substr(kRowHeader);
}

std::string bytes(std::initializer_list<int> values) {
    std::string result;
    for (const int value : values) {
        result += static_cast<char>(value);
    }
    return result;
}

}  // namespace

TEST_SUITE("admin table") {
    TEST_CASE("binary int8 is eight bytes, most significant first") {
        CHECK(cell_bytes(ColumnType::Int8, Format::Binary, std::int64_t{0x0102030405060708}) ==
              bytes({1, 2, 3, 4, 5, 6, 7, 8}));
        CHECK(cell_bytes(ColumnType::Int8, Format::Binary, std::int64_t{-1}) ==
              std::string(8, '\xff'));
    }

    TEST_CASE("binary int4 is four bytes and stops at its largest value, as its text does") {
        CHECK(cell_bytes(ColumnType::Int4, Format::Binary, std::int64_t{258}) ==
              bytes({0, 0, 1, 2}));
        CHECK(cell_bytes(ColumnType::Int4, Format::Binary, std::int64_t{1} << 40U) ==
              bytes({0x7f, 0xff, 0xff, 0xff}));
        CHECK(cell_bytes(ColumnType::Int4, Format::Text, std::int64_t{1} << 40U) == "2147483647");
    }

    TEST_CASE("binary numeric is digits to the base 10000") {
        CHECK(cell_bytes(ColumnType::Numeric, Format::Binary, std::int64_t{0}) ==
              bytes({0, 0, 0, 0, 0, 0, 0, 0}));
        CHECK(cell_bytes(ColumnType::Numeric, Format::Binary, std::int64_t{1234'5678}) ==
              bytes({0, 2, 0, 1, 0, 0, 0, 0, 0x04, 0xd2, 0x16, 0x2e}));
        CHECK(cell_bytes(ColumnType::Numeric, Format::Binary, std::int64_t{-7}) ==
              bytes({0, 1, 0, 0, 0x40, 0, 0, 0, 0, 7}));
        CHECK(cell_bytes(ColumnType::Numeric, Format::Binary, std::int64_t{10'000}) ==
              bytes({0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0}));
        CHECK(cell_bytes(
                  ColumnType::Numeric, Format::Binary, std::numeric_limits<std::int64_t>::min())
                  .substr(0, 6) == bytes({0, 5, 0, 4, 0x40, 0}));
    }

    TEST_CASE("text has the same bytes in both formats") {
        CHECK(cell_bytes(ColumnType::Text, Format::Text, "abc") == "abc");
        CHECK(cell_bytes(ColumnType::Text, Format::Binary, "abc") == "abc");
        CHECK(cell_bytes(ColumnType::Text, Format::Binary, "").empty());
    }

    TEST_CASE("NULL is the length -1 and nothing else") {
        ByteWriter writer;
        const Column column{"x", ColumnType::Int8};
        write_row(writer, std::span{&column, 1}, {}, Row{Cell{}});
        CHECK(as_text(writer.bytes()) == bytes({'D', 0, 0, 0, 10, 0, 1, 0xff, 0xff, 0xff, 0xff}));
    }

    TEST_CASE("description tells name, type, length and format") {
        ByteWriter writer;
        const Column column{"id", ColumnType::Int8};
        const Format format = Format::Binary;
        write_description(writer, std::span{&column, 1}, std::span{&format, 1});
        CHECK(as_text(writer.bytes()) ==
              bytes({'T', 0, 0, 0, 27, 0,  1, 'i', 'd',  0,    0,    0,    0, 0,
                     0,   0, 0, 0, 0,  20, 0, 8,   0xff, 0xff, 0xff, 0xff, 0, 1}));
    }

    TEST_CASE("cell of a counter that is too large shows the largest number") {
        CHECK(std::get<std::int64_t>(cell(std::numeric_limits<std::uint64_t>::max())) ==
              std::numeric_limits<std::int64_t>::max());
    }
}

}  // namespace weir::admin
