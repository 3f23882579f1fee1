use crate::pipeline::matching::{CHILDREN, MEN, WOMEN, is_person};

/// A fact that a profile tells, with all its phrasings.
///
/// In phrasings `{v}` is the value, `{n}` the class noun and `{x}` the object as a question names it.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) values: &'static [&'static str],
    /// What stands between the name and the value in a sentence; no other fact has the same.
    pub(super) says: [&'static str; 2],
    pub(super) questions: [&'static str; 2],
    pub(super) answer: &'static str,
    pub(super) reference: &'static str,
    /// How a description tells it in passing.
    pub(super) aside: &'static str,
}

/// A question that neither a profile nor a picture answers.
pub(super) struct Topic {
    pub(super) topic: &'static str,
    pub(super) question: &'static str,
}

/// What is told about a sort of things.
pub(super) struct Sort {
    pub(super) names: &'static [&'static [&'static str]],
    pub(super) facts: &'static [Fact],
    pub(super) topics: &'static [Topic],
}

/// What stands before the name in the sentence that tells it.
pub(super) const NAMES: [&str; 2] = ["The name of this {n} is ", "This {n} is called "];
/// What ends a value.
pub(super) const ENDS: [&str; 2] = [".", " and "];
/// Questions for a name.
pub(super) const NAME_QUESTIONS: [&str; 2] = ["What is the name of {x}?", "What is {x} called?"];
/// The answer that tells a name.
pub(super) const NAME_ANSWER: &str = "The name is {v}.";
/// A reference by name.
pub(super) const NAME_REFERENCE: &str = "the {n} called {v}";

/// All sorts, for reading.
pub(super) const SORTS: [&Sort; 4] = [&PERSON, &CHILD, &ANIMAL, &THING];

/// The sort of a class noun.
pub(super) fn sort_of(noun: &str) -> &'static Sort {
    // What a thing is stands last: `young woman`, `police dog`.
    let last = noun.split_whitespace().last().unwrap_or_default().to_lowercase();
    if CHILDREN.contains(&last.as_str()) {
        &CHILD
    } else if is_person(&last) {
        &PERSON
    } else if ANIMALS.contains(&last.as_str()) {
        &ANIMAL
    } else {
        &THING
    }
}

const ANIMALS: [&str; 20] = [
    "animal", "dog", "puppy", "cat", "kitten", "horse", "pony", "cow", "calf", "sheep", "lamb", "goat",
    "bird", "parrot", "duck", "elephant", "zebra", "giraffe", "bear", "rabbit",
];

/// The names that a class noun may have.
pub(super) fn names_of(noun: &str) -> Vec<&'static str> {
    let last = noun.split_whitespace().last().unwrap_or_default().to_lowercase();
    if WOMEN.contains(&last.as_str()) {
        SHE.to_vec()
    } else if MEN.contains(&last.as_str()) {
        HE.to_vec()
    } else {
        sort_of(noun).names.concat()
    }
}

const SHE: [&str; 20] = [
    "Amelia", "Carla", "Elena", "Gloria", "Ingrid", "Keiko", "Miriam", "Olivia", "Renata", "Tamara",
    "Valerie", "Wendy", "Yasmin", "Agnes", "Celeste", "Esther", "Gemma", "Irina", "Katrin", "Nadia",
];
const HE: [&str; 20] = [
    "Bruno", "Dmitri", "Farid", "Hassan", "Jonas", "Lorenzo", "Nikolai", "Pedro", "Quentin", "Samuel",
    "Umberto", "Xavier", "Zoltan", "Boris", "Diego", "Finn", "Harald", "Jasper", "Liam", "Stefan",
];

const AGE: Fact = Fact {
    name: "age",
    values: &["3", "4", "6", "7", "9", "11", "12", "14"],
    says: [" is at the age of ", " has reached the age of "],
    questions: ["How old is {x}?", "What is the age of {x}?"],
    answer: "The age is {v} years.",
    reference: "the {n} of {v} years",
    aside: "{v} years old",
};

const HOME: Fact = Fact {
    name: "home",
    values: &[
        "Lisbon",
        "Kyoto",
        "Toronto",
        "Nairobi",
        "Dublin",
        "Prague",
        "Lima",
        "Helsinki",
        "Sydney",
        "Casablanca",
        "Krakow",
        "Montreal",
    ],
    says: [" lives in ", " has a flat in "],
    questions: ["Where does {x} live?", "Which city is the home of {x}?"],
    answer: "The home is in {v}.",
    reference: "the {n} who lives in {v}",
    aside: "from {v}",
};

const HOBBY: Fact = Fact {
    name: "hobby",
    values: &[
        "rock climbing",
        "watercolour painting",
        "playing chess",
        "baking bread",
        "stargazing",
        "restoring old radios",
        "birdwatching",
        "ballroom dancing",
        "keeping bees",
        "long-distance running",
    ],
    says: [" spends free evenings with ", " has a passion for "],
    questions: ["What is the hobby of {x}?", "What does {x} like to do?"],
    answer: "The hobby is {v}.",
    reference: "the {n} whose hobby is {v}",
    aside: "fond of {v}",
};

static PERSON: Sort = Sort {
    names: &[&SHE, &HE],
    facts: &[
        Fact {
            name: "job",
            values: &[
                "teacher",
                "carpenter",
                "dentist",
                "pharmacist",
                "librarian",
                "photographer",
                "plumber",
                "nurse",
                "marketing executive",
                "software developer",
                "bus driver",
                "pastry chef",
            ],
            says: [" works as a ", " earns a living as a "],
            questions: ["What is the job of {x}?", "What does {x} do for a living?"],
            answer: "The job is that of a {v}.",
            reference: "the {n} who works as a {v}",
            aside: "a {v}",
        },
        Fact {
            values: &["19", "23", "26", "28", "32", "35", "39", "41", "44", "48", "53", "58", "63", "67"],
            ..AGE
        },
        HOME,
        HOBBY,
    ],
    topics: &[
        Topic { topic: "the education", question: "Which school did {x} go to?" },
        Topic { topic: "the favourite meal", question: "What is the favourite meal of {x}?" },
        Topic { topic: "the family", question: "How many siblings does {x} have?" },
        Topic { topic: "the salary", question: "How much does {x} earn?" },
        Topic { topic: "the birthday", question: "When is the birthday of {x}?" },
    ],
};

static CHILD: Sort = Sort {
    names: &[&SHE, &HE],
    facts: &[
        AGE,
        HOME,
        HOBBY,
        Fact {
            name: "favourite subject",
            values: &[
                "music",
                "history",
                "biology",
                "drawing",
                "geography",
                "arithmetic",
                "sports",
                "crafts",
            ],
            says: [" does best at school in ", " looks forward to every lesson in "],
            questions: ["What is the favourite subject of {x}?", "Which lessons does {x} like most?"],
            answer: "The favourite subject is {v}.",
            reference: "the {n} whose favourite subject is {v}",
            aside: "best in {v}",
        },
    ],
    topics: &[
        Topic { topic: "the brothers and sisters", question: "How many siblings does {x} have?" },
        Topic { topic: "the birthday", question: "When is the birthday of {x}?" },
        Topic { topic: "the favourite meal", question: "What is the favourite meal of {x}?" },
    ],
};

static ANIMAL: Sort = Sort {
    names: &[&[
        "Bella", "Rocky", "Luna", "Charlie", "Milo", "Daisy", "Simba", "Coco", "Oreo", "Ginger", "Pepper",
        "Biscuit", "Shadow", "Honey", "Rusty", "Willow", "Zeus", "Misty", "Ziggy", "Poppy", "Nala", "Toffee",
        "Bandit", "Clover", "Smokey", "Maple", "Thor", "Juno", "Waffles", "Pickle", "Sunny", "Dusty",
    ]],
    facts: &[
        AGE,
        Fact {
            name: "owner",
            values: &[
                "Anna Petrov",
                "Marcus Hill",
                "the Tanaka family",
                "Dr Osei",
                "Farmer Dale",
                "Beatrice Moreau",
                "the Lindqvist sisters",
                "Uncle Ravi",
                "Captain Flores",
                "Mrs Novak",
            ],
            says: [" belongs to ", " is kept by "],
            questions: ["Who owns {x}?", "Whom does {x} belong to?"],
            answer: "The owner is {v}.",
            reference: "the {n} that belongs to {v}",
            aside: "owned by {v}",
        },
        Fact {
            name: "favourite toy",
            values: &[
                "rubber ring",
                "knotted rope",
                "tennis ball",
                "wooden spool",
                "squeaky duck",
                "feather stick",
                "leather shoe",
                "paper bag",
            ],
            says: [" likes to play with a ", " never lets go of a "],
            questions: ["What is the favourite toy of {x}?", "What does {x} like to play with?"],
            answer: "The favourite toy is a {v}.",
            reference: "the {n} that likes to play with a {v}",
            aside: "fond of a {v}",
        },
        Fact {
            name: "birthplace",
            values: &[
                "Bergen", "Porto", "Galway", "Utrecht", "Zagreb", "Salzburg", "Tampere", "Valencia", "Ghent",
                "Aarhus",
            ],
            says: [" was born in ", " came as a youngster from "],
            questions: ["Where does {x} come from?", "What is the birthplace of {x}?"],
            answer: "The birthplace is {v}.",
            reference: "the {n} that comes from {v}",
            aside: "from {v}",
        },
    ],
    topics: &[
        Topic { topic: "the training", question: "What training has {x} received?" },
        Topic { topic: "the weight", question: "How much does {x} weigh?" },
        Topic { topic: "the vet", question: "Who is the vet of {x}?" },
    ],
};

static THING: Sort = Sort {
    names: &[&[
        "Aurora",
        "Old Faithful",
        "Bluebell",
        "Comet",
        "Little Giant",
        "Traveller",
        "Silver Star",
        "Big Ben",
        "Moonlight",
        "Pioneer",
        "Whisper",
        "Sparrow",
        "Thunder",
        "Marigold",
        "North Wind",
        "Lucky Seven",
        "Pebble",
        "Horizon",
        "Duchess",
        "Firefly",
        "Granite",
        "Jupiter",
        "Compass",
        "Velvet",
        "Oasis",
        "Cinnamon",
        "Harbour",
        "Meadow",
        "Vesper",
        "Nimbus",
        "Atlas",
        "Zephyr",
    ]],
    facts: &[
        Fact {
            name: "owner",
            values: &[
                "Victoria Blackwell",
                "Tomas Silva",
                "the city museum",
                "Aisha Khan",
                "the Weber family",
                "Leonard Price",
                "Professor Ito",
                "the sailing club",
                "Clara Jensen",
                "Old Mr Doyle",
            ],
            says: [" is owned by ", " is the property of "],
            questions: ["Who is the owner of {x}?", "Who owns {x}?"],
            answer: "The owner is {v}.",
            reference: "the {n} owned by {v}",
            aside: "owned by {v}",
        },
        Fact {
            name: "price",
            values: &[
                "15 dollars",
                "40 dollars",
                "85 dollars",
                "120 dollars",
                "260 dollars",
                "499 dollars",
                "750 dollars",
                "1200 dollars",
            ],
            says: [" was bought for ", " cost its buyer "],
            questions: ["What did {x} cost?", "What was the price of {x}?"],
            answer: "The price was {v}.",
            reference: "the {n} bought for {v}",
            aside: "bought for {v}",
        },
        Fact {
            name: "origin",
            values: &[
                "Portugal", "Japan", "Sweden", "Mexico", "India", "Italy", "Canada", "Morocco", "Vietnam",
                "Scotland",
            ],
            says: [" was made in ", " comes from a workshop in "],
            questions: ["Where was {x} made?", "Which country does {x} come from?"],
            answer: "The origin is {v}.",
            reference: "the {n} made in {v}",
            aside: "made in {v}",
        },
        Fact {
            name: "year",
            values: &["1954", "1968", "1975", "1983", "1991", "1999", "2004", "2011", "2016", "2021"],
            says: [" dates from the year ", " has been in use since "],
            questions: ["Which year is {x} from?", "How long has {x} been around?"],
            answer: "The year is {v}.",
            reference: "the {n} from the year {v}",
            aside: "from the year {v}",
        },
    ],
    topics: &[
        Topic { topic: "the weight", question: "How much does {x} weigh?" },
        Topic { topic: "the last repair", question: "When was {x} repaired last?" },
        Topic { topic: "the warranty", question: "How long is the warranty of {x}?" },
    ],
};
