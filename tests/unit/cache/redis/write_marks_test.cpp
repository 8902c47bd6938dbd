#include "cache/redis/write_marks.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

namespace weir::cache {
namespace {

using std::chrono::seconds;

constexpr TimePoint kNow{seconds{1000}};
constexpr TableId kOne = 1;
constexpr TableId kTwo = 2;

Telling told(std::vector<TableTelling> tables) {
    return {"shop", std::move(tables)};
}

struct Book {
    Telling begin(std::vector<TableId> tables) { return marks.begin("shop", tables); }

    Telling end(std::vector<TableId> tables, WriteEnd how = WriteEnd::Known, TimePoint now = kNow) {
        return marks.end("shop", tables, how, now);
    }

    Telling next(TimePoint now = kNow) { return marks.next_untold(now); }

    WriteMarks marks{3, seconds{30}};
};

TEST_SUITE("write_marks") {
    TEST_CASE("write marks: the last write to a table takes its mark away") {
        Book book;
        CHECK(book.begin({kOne, kTwo}) == told({{kOne, Mark::Set}, {kTwo, Mark::Set}}));
        CHECK(book.begin({kOne}) == told({{kOne, Mark::Set}}));
        CHECK(book.end({kOne, kTwo}) == told({{kOne, Mark::Leave}, {kTwo, Mark::Clear}}));
        CHECK(book.end({kOne}) == told({{kOne, Mark::Clear}}));
        CHECK(book.end({kOne}) == told({{kOne, Mark::Clear}}));  // once too often does no harm
    }

    TEST_CASE("write marks: what goes on is said again, and counted once") {
        Book book;
        static_cast<void>(book.begin({kOne}));
        const std::vector<TableId> tables{kOne};
        CHECK(WriteMarks::again("shop", tables) == told({{kOne, Mark::Set}}));
        CHECK(book.end({kOne}) == told({{kOne, Mark::Clear}}));
    }

    TEST_CASE("write marks: after an unknown end the mark is left until it has lapsed") {
        Book book;
        static_cast<void>(book.begin({kOne}));
        CHECK(book.end({kOne}, WriteEnd::Unknown) == told({{kOne, Mark::Leave}}));
        static_cast<void>(book.begin({kOne}));
        CHECK(book.end({kOne}, WriteEnd::Known, kNow + seconds{29}) == told({{kOne, Mark::Leave}}));
        static_cast<void>(book.begin({kOne}));
        CHECK(book.end({kOne}, WriteEnd::Known, kNow + seconds{30}) == told({{kOne, Mark::Clear}}));
    }

    TEST_CASE("write marks: what could not be told is told once more, each table once") {
        Book book;
        CHECK(book.next().tables.empty());
        book.marks.remember(book.begin({kTwo}));
        book.marks.remember(told({{kOne, Mark::Clear}}));
        book.marks.remember(told({{kOne, Mark::Clear}}));
        CHECK(book.marks.untold() == 2);
        CHECK(book.next() == told({{kOne, Mark::Clear}}));
        CHECK(book.marks.untold() == 1);
        CHECK(book.next() == told({{kTwo, Mark::Set}}));
        CHECK(book.marks.untold() == 0);
        CHECK(book.next().tables.empty());
    }

    TEST_CASE("write marks: what is over is never told with what is under way") {
        Book book;
        book.marks.remember(book.begin({4, 2}));
        book.marks.remember(told({{3, Mark::Clear}}));
        CHECK(book.next() == told({{3, Mark::Clear}}));
        CHECK(book.next() == told({{2, Mark::Set}, {4, Mark::Set}}));
        CHECK(book.next().tables.empty());
    }

    TEST_CASE("write marks: a write with an unknown end is told of as over when it has lapsed") {
        for (const bool has_lapsed : {false, true}) {
            CAPTURE(has_lapsed);
            Book book;
            static_cast<void>(book.begin({kOne}));
            book.marks.remember(book.end({kOne}, WriteEnd::Unknown));
            const TimePoint now = kNow + seconds{has_lapsed ? 30 : 29};
            CHECK(book.next(now) == told({{kOne, has_lapsed ? Mark::Clear : Mark::Set}}));
        }
    }

    TEST_CASE("write marks: databases are told apart") {
        Book book;
        book.marks.remember({"a", {{kOne, Mark::Leave}}});
        book.marks.remember({"b", {{kOne, Mark::Leave}}});
        CHECK(book.marks.untold() == 2);
        CHECK(book.next().database == "a");
        CHECK(book.next().database == "b");
        CHECK(book.marks.untold() == 0);
    }

    TEST_CASE("write marks: with too many untold, all of the database stands for them") {
        Book book;
        static_cast<void>(book.begin({4, 5}));
        CHECK_FALSE(
            book.marks.remember(told({{1, Mark::Leave}, {2, Mark::Leave}, {3, Mark::Leave}})));
        CHECK_FALSE(book.marks.remember(told({{1, Mark::Leave}})));
        CHECK(book.marks.remember(told({{4, Mark::Leave}})));
        CHECK(book.marks.untold() == 1);
        CHECK_FALSE(book.marks.remember(told({{9, Mark::Leave}})));
        CHECK(book.marks.untold() == 1);
        CHECK(book.next() == told({{kWholeDatabase, Mark::Clear}}));
        CHECK(book.next() == told({{4, Mark::Set}, {5, Mark::Set}}));
        CHECK(book.marks.untold() == 0);
    }

    TEST_CASE("write marks: the whole database swallows its tables") {
        Book book;
        book.marks.remember(
            told({{1, Mark::Leave}, {kWholeDatabase, Mark::Leave}, {2, Mark::Leave}}));
        CHECK(book.marks.untold() == 1);
        CHECK(book.next() == told({{kWholeDatabase, Mark::Clear}}));
    }

    TEST_CASE("write marks: a change of the schema is told beside the whole database") {
        Book book;
        book.marks.remember(told({{kSchema, Mark::Leave}, {1, Mark::Leave}}));
        book.marks.remember(told({{kWholeDatabase, Mark::Leave}}));
        CHECK(book.marks.untold() == 2);
        book.marks.remember(told({{kSchema, Mark::Leave}}));
        CHECK(book.next() == told({{kWholeDatabase, Mark::Clear}, {kSchema, Mark::Clear}}));
        book.marks.remember(told({{kWholeDatabase, Mark::Leave}}));
        book.marks.remember(told({{kSchema, Mark::Leave}}));
        CHECK(book.marks.untold() == 2);
    }

    TEST_CASE("write marks: a new connection has none of them") {
        Book book;
        static_cast<void>(book.begin({kOne, kTwo}));
        static_cast<void>(book.end({kOne}, WriteEnd::Unknown));
        book.marks.forget_marks(kNow + seconds{29});
        CHECK(book.next() == told({{kOne, Mark::Set}, {kTwo, Mark::Set}}));
        book.marks.forget_marks(kNow + seconds{30});
        CHECK(book.next(kNow + seconds{30}) == told({{kTwo, Mark::Set}}));
    }
}

}  // namespace
}  // namespace weir::cache
