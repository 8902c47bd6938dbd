#include "net/write_batch.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace weir::net {
namespace {

std::string text_of(const WriteBatch& batch) {
    std::string result;
    for (const iovec& segment : batch.segments()) {
        result.append(static_cast<const char*>(segment.iov_base), segment.iov_len);
    }
    return result;
}

TEST_SUITE("write_batch") {
    TEST_CASE("write batch: begins empty and takes no empty views") {
        WriteBatch batch;
        CHECK(batch.empty());
        batch.add({});
        CHECK(batch.empty());
        CHECK(batch.total() == 0);
        CHECK(batch.segments().empty());
    }

    TEST_CASE("write batch: keeps views in order, without copying") {
        const std::string one = "first ";
        const std::string two = "second";
        WriteBatch batch;
        batch.add(as_bytes(one));
        batch.add(as_bytes(two));
        CHECK(batch.segments().size() == 2);
        CHECK(batch.segments()[0].iov_base == one.data());
        CHECK(batch.total() == one.size() + two.size());
        CHECK(text_of(batch) == "first second");
    }

    TEST_CASE("write batch: joins views that adjoin, and only those") {
        const std::string text = "abcdefgh";
        const ByteView bytes = as_bytes(text);
        WriteBatch batch;
        batch.add(bytes.subspan(0, 2));
        batch.add(bytes.subspan(2, 3));
        CHECK(batch.segments().size() == 1);
        batch.add(bytes.subspan(6, 2));
        CHECK(batch.segments().size() == 2);
        batch.add(bytes.subspan(0, 1));
        CHECK(batch.segments().size() == 3);
        CHECK(text_of(batch) == "abcdegha");
        CHECK(batch.total() == 8);
    }

    TEST_CASE("write batch: is full at its limit, and a full one still joins") {
        std::array<char, 2 * WriteBatch::kSegmentsMax> bytes{};
        const ByteView all = as_bytes({bytes.data(), bytes.size()});
        WriteBatch batch;
        for (std::size_t i = 0; i < WriteBatch::kSegmentsMax; ++i) {
            CHECK(!batch.is_full());
            batch.add(all.subspan(2 * i, 1));
        }
        CHECK(batch.is_full());
        batch.add(all.subspan(all.size() - 1, 1));
        CHECK(batch.segments().size() == WriteBatch::kSegmentsMax);
        CHECK(batch.total() == WriteBatch::kSegmentsMax + 1);
        batch.clear();
        CHECK(batch.empty());
        CHECK(!batch.is_full());
        CHECK(batch.total() == 0);
    }
}

}  // namespace
}  // namespace weir::net
