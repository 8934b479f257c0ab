"""Lists of function words (such as "the") by language. They say nothing about a topic, so they are not indexed.

The lists are short on purpose.
"""

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.casefold().split())
    for language, words in {
        "english": """
            a an the this that these those some any each every either neither both such same
            i me my mine myself we our ours ourselves you your yours yourself yourselves he him his himself
            she her hers herself it its itself they them their theirs themselves one
            who whom whose which what where when why how whether
            be am is are was were been being do does did doing done have has had having
            will would shall should can could may might must
            of to in on at by for with from into onto upon as about between through during before after above below
            under over against among within without toward towards via per up down out off
            and or but not no nor so if then than because while although though until since
            there here also too very just only however thus hence therefore eg ie etc
            """,
        "german": """
            der die das des dem den ein eine eines einem einen einer dieser diese dieses diesem diesen jener jene jenes
            ich mich mir du dich dir er ihn ihm sie es wir uns ihr euch ihnen sein seine seines seinem seinen seiner
            ihre ihres ihrem ihren ihrer mein meine unser unsere man sich wer was welche welcher welches wo wann wie
            warum bin bist ist sind war waren wird werden wurde wurden worden haben hat hatte hatten habe kann können
            konnte muss müssen soll sollen darf will wollen von zu zum zur in im ins an am auf aus bei beim mit nach
            vor über unter durch für gegen ohne um seit nicht kein keine und oder aber denn sondern dass ob wenn weil
            als auch noch nur so dann da hier dort sehr bereits
            """,
        "french": """
            le la les l un une des du de d ce cet cette ces c ça cela je j me m moi tu te t toi il elle on nous vous
            ils elles se s soi lui leur leurs y en mon ma mes ton ta tes son sa ses notre nos votre vos qui que qu quoi
            dont où quand comment pourquoi quel quelle quels quelles être suis es est sommes êtes sont était étaient
            été sera seront avoir ai as a avons avez ont avait avaient eu peut peuvent à au aux dans par pour sur sous
            avec sans entre vers chez et ou mais donc or ni car si ne n pas plus très aussi comme alors ainsi
            """,
        "spanish": """
            el la los las lo un una unos unas del al este esta estos estas ese esa esos esas aquel aquella eso esto
            yo me mí tú te ti él ella ello nosotros vosotros ellos ellas se sí le les nos os mi mis tu tus su sus
            nuestro nuestra quien quienes que qué cual cuál cuales cuando cuándo donde dónde como cómo por porque
            ser soy eres es somos son era eran fue fueron sido está están estaba ha han había haber he puede pueden
            a de en con sin sobre entre hasta desde hacia para y e o u pero sino ni si no más muy también ya
            """,
        "italian": """
            il lo la i gli le l un uno una del dello della dei degli delle al allo alla ai agli alle dal dallo dalla
            dai dalle nel nello nella nei nelle sul sullo sulla sui sulle questo questa questi queste quello quella
            quelli quelle io me mi tu te ti egli lui lei noi ci voi vi essi esse loro si sé ne suo sua suoi sue mio mia
            tuo tua nostro nostra che chi cui quale quali quando dove come perché essere sono sei è siamo siete era
            erano stato stata stati ha hanno ho aveva avere può possono di a da in con su per tra fra e ed o ma se non
            né anche più molto già
            """,
        "portuguese": """
            o a os as um uma uns umas do da dos das no na nos nas ao à aos às pelo pela pelos pelas este esta estes
            estas esse essa esses essas aquele aquela isso isto eu me mim tu te ti ele ela nós vós eles elas se si lhe
            lhes meu minha seu sua seus suas nosso nossa quem que qual quais quando onde como porque ser sou é somos
            são era eram foi foram sido está estão estava ter tem têm tinha há pode podem de em com sem sobre entre até
            desde para por e ou mas nem não mais muito também já
            """,
        "dutch": """
            de het een deze dit die dat ik mij me jij je jou u hij hem zij ze haar wij we ons jullie hun hen zich mijn
            jouw zijn onze wie wat welke waar wanneer hoe waarom ben bent is was waren wordt worden werd werden heeft
            hebben had hadden heb kan kunnen kon moet moeten zal zullen van te in op aan bij met voor door over onder
            uit naar om tot tegen tussen zonder en of maar want als dan dus ook nog niet geen er hier daar zo zeer al
            """,
        "russian": """
            и в во на с со к ко о об у от до за из по под над при для без через между после перед про а но да или либо
            же ли бы не ни что чтобы как так если то этот эта это эти этого этой этому этим этом этих этими эту тот та
            те того той тому тем том тех теми ту такой такая такое такие такого такому таким таком такую таких такими я
            меня мне мной мною ты тебя тебе тобой он его него ему нему им ним нем нём она её ее неё нее ей ней ею оно мы
            нас нам нами вы вас вам вами они их них ими ними себя себе собой собою свой своя свое своё свои своего своей
            своему своим своем своём свою своих своими мой моя мое моё мои моего моей моему моим моем моём мою моих
            моими твой наш наша наше наши нашего нашей нашему нашим нашем нашу наших нашими ваш ваша ваше ваши вашего
            вашей вашему вашим вашем вашу ваших вашими кто кого кому кем ком чего чему чем чём который которая которое
            которые которого которой которому которым котором которую которых которыми какой какая какое какие какого
            какому каким каком какую каких какими чей чья чье чьё чьи сколько скольких где когда куда откуда почему
            зачем был была было были быть есть будет будут буду будем будете может могут можно мочь мог могла могли тоже
            также уже ещё еще только очень там тут здесь
            """,
        "arabic": """
            في من على إلى الى عن مع بين حتى منذ خلال عند بعد قبل تحت فوق دون غير حول و ف ب ل ك أو او ثم أم بل لكن إن
            ان أن كان كانت يكون تكون كانوا ليس ليست هو هي هم هن نحن أنا انا أنت هذا هذه ذلك تلك هؤلاء الذي التي الذين
            اللذان ما ماذا لماذا كيف متى أين اين هل لا لم لن قد كل بعض أي اي كما إذا اذا لو لأن به بها له لها فيه فيها
            منه منها عليه عليها
            """,
        "armenian": """
            և ու է են եմ ես էր էին ենք եք ոչ որ որը որոնք այս այդ այն նա նրա նրանք մենք դուք իր իմ մեր ձեր ի մեջ վրա
            հետ համար մասին ըստ բայց կամ եթե երբ որտեղ ինչ ինչպես
            """,
        "basque": """
            eta edo baina ez da dira dut du dute zen ziren izan izango naiz gara zara den diren dela bat batzuk hau
            hori hura hauek horiek haiek ni zu gu zuek nire zure bere gure zein zer nor non noiz nola zergatik ere oso
            baino bezala arte
            """,
        "catalan": """
            el la els les un una uns unes de del dels al als a amb en per pel pels sense sobre entre des fins cap i o
            però sinó que qui què qual quals quan on com perquè aquest aquesta aquests aquestes aquell aquella això
            allò jo tu ell ella nosaltres vosaltres ells elles em et es ens us se s hi ho li els meu seva seu seus
            seves nostre és ser són era eren fou ha han he hem havia està estan no ni més molt també ja tot
            """,
        "czech": """
            a i v ve na s se si z ze do od po pro při před za nad pod mezi bez u k ke o že aby když jako jak co kdo
            který která které kteří kde kdy proč zda nebo ale ani však tak také též je jsou jsem jsi jsme jste byl
            byla bylo byli být bude budou není nejsou já ty on ona ono my vy oni mě mu ho jí jim jej jeho její jejich
            svůj svou tento tato toto ten ta to ti ty tím tom této těchto už jen ještě než
            """,
        "danish": """
            og i at på en et den det de der som er var være været blev bliver har havde have ikke af til for med fra
            om over under efter mellem ved mod uden eller men hvis når da så også kun her hvor hvad hvem hvilken
            hvilke hvordan hvorfor jeg mig du dig han ham hun hende vi os i jer dem sig min din sin sit sine hans
            hendes vores deres denne dette disse kan kunne skal skulle vil ville må end
            """,
        "esperanto": """
            la kaj aŭ sed ke de da el en al por per kun sen sur sub inter ĝis pri pro post antaŭ ĉe tra estas estis
            estos esti ne ankaŭ tre pli plej mi vi li ŝi ĝi ni ili si mia via lia ŝia ĝia nia ilia tiu tiuj tio ĉi kiu
            kiuj kio kie kiam kiel kial se ĉar do nur jam ankoraŭ
            """,
        "estonian": """
            ja või ning ega et kui aga vaid on oli olid olema olla ole pole ei see need selle seda sel nende neid ma
            mina sa sina ta tema me meie te teie nad nemad oma kes mis mida mille kus millal kuidas miks ka veel juba
            nii kuni üle alla peale enne pärast ilma koos
            """,
        "finnish": """
            ja tai sekä mutta vaan että jotta koska jos kun kuin niin myös on oli ovat olivat olla ollut ole ei eivät
            en emme ette se ne tämä nämä tuo nuo sen sitä siitä siinä niiden niitä tämän tätä minä sinä hän me te he
            minun sinun hänen meidän teidän heidän joka jotka jonka jota jossa josta mikä mitä kuka ketkä missä
            milloin miten miksi vain vielä jo kanssa ilman ennen jälkeen
            """,
        "greek": """
            ο η το οι τα του της των τον την τους τις στο στη στην στον στα στους στις σε από με για προς κατά μετά
            παρά αντί χωρίς μέχρι ως και κι ή αλλά όμως αν όταν που πού πως πώς ότι να θα δεν μην δε μη είναι ήταν
            είμαι έχει έχουν είχε εγώ εσύ αυτός αυτή αυτό αυτοί αυτές αυτά εμείς εσείς μου σου μας σας ένας μια μία
            ένα ποιος ποια ποιο τι γιατί
            """,
        "hindi": """
            का के की को में से पर ने और या तक है हैं था थी थे हो होता होती होते हुआ हुई हुए कर करने करता गया गई गए यह
            ये वह वे इस इन उस उन मैं हम तुम आप जो जिस कि क्या कौन कहाँ कब कैसे क्यों नहीं न भी ही तो एक अपने अपनी अपना
            लिए साथ बाद
            """,
        "hungarian": """
            a az egy és vagy de hogy nem is ha mint mert csak már még meg ki be le fel el van vannak volt voltak lesz
            lett lenni én te ő mi ti ők ez ezek az azok ezt azt ebben abban ennek annak ami amely amelyek aki akik hol
            mikor hogyan miért mit melyik után előtt között alatt felett nélkül szerint majd úgy így itt ott
            """,
        "indonesian": """
            yang dan di ke dari untuk pada dengan dalam oleh atau tetapi ini itu adalah ialah akan telah sudah sedang
            tidak bukan saya aku kamu anda dia ia kami kita mereka apa siapa mana kapan bagaimana mengapa jika karena
            seperti juga lebih sebagai antara tanpa hanya dapat bisa ada para nya
            """,
        "irish": """
            an na agus nó ach i in sa san ar ag le do de as ó faoi chun go gan idir roimh tar trí um is bhí tá níl
            bhfuil bheith mé tú sé sí muid sibh siad é í iad mo do a ár bhur seo sin siúd cad cé cén conas cathain má
            mar nach ní níor gur
            """,
        "lithuanian": """
            ir ar bei bet o kad kaip jei jeigu nes tai yra buvo būti bus nėra ne į iš su be prie po prieš per už nuo
            iki apie tarp ant aš tu jis ji mes jūs jie jos mano tavo jo jų šis ši tas ta šie tie kas kuris kuri kurie
            kur kada kodėl taip pat tik dar jau labai
            """,
        "nepali": """
            को का की मा ले लाई बाट र वा तर भने हो हुन् छ छन् थियो थिए हुने भएको गरेको गर्न गर्ने यो यी त्यो ती म हामी
            तिमी तपाईं उनी उनको यस त्यस जो के कहाँ कहिले कसरी किन न पनि नै एक लागि सँग पछि
            """,
        "norwegian": """
            og i at på en ei et den det de der som er var være vært ble blir har hadde ha ikke av til for med fra om
            over under etter mellom ved mot uten eller men hvis når da så også bare her hvor hva hvem hvilken hvilke
            hvordan hvorfor jeg meg du deg han ham hun henne vi oss dere dem seg min din sin sitt sine hans hennes vår
            deres denne dette disse kan kunne skal skulle vil ville må enn
            """,
        "persian": """
            و در به از که را با این آن برای تا بر یا هم نیز اما اگر چون بی هر یک است بود شد شود می نمی هست نیست بودند
            هستند شده من تو او ما شما آنها ایشان خود چه کی کجا چرا چگونه کدام هیچ همه پس پیش روی های ها
            """,
        "polish": """
            i w we na z ze do od po o u dla przez przy przed za nad pod między bez ku a ale lub albo oraz że żeby aby
            jak jako gdy kiedy gdzie co kto który która które którzy czy jest są być był była było byli będzie będą
            nie tak też także już tylko jeszcze ja ty on ona ono my wy oni mnie mi go mu jej ich im się swój jego ten
            ta to te ci tego tej tym tych niż
            """,
        "romanian": """
            și si în pe la de din cu pentru prin fără despre între către până după înainte sub peste o un unei unui
            niște al a ai ale cel cea cei cele acest această aceste acești acel acea care ce cine unde când cum dacă
            că să sau dar ci iar nici nu este e sunt era erau fost fi va vor am ai are au eu tu el ea noi voi ei ele
            mă te se îl îi le lui lor mai foarte tot
            """,
        "serbian": """
            и у на са с за од до из о по при пред под над између без код ка да не се је су сам си смо сте био била
            било били бити ће али или ни па те као што који која које где када како зашто ко шта ја ти он она оно ми
            ви они њега њу њих га му јој им мој његов њен овај ова ово тај та то i u na sa s za od do iz o po pri pred
            pod nad između bez kod da ne se je su sam smo ste bio bila bilo bili biti će ali ili ni pa te kao što koji
            koja koje gde kada kako zašto šta ja ti on ona ono mi vi oni njega njih ga mu joj im ovaj ova ovo taj ta
            to
            """,
        "sesotho": """
            le ya ka ke ho ha e o ba a tsa wa la sa bo di se ne re kapa empa hore ena eo bona rona lona hae ka hara
            hape feela joalo jwalo teng mang eng kae neng hobane
            """,
        "swedish": """
            och i att på en ett den det de som är var vara varit blev blir har hade ha inte av till för med från om
            över under efter mellan vid mot utan eller men om när då så också bara här där vad vem vilken vilket vilka
            hur varför jag mig du dig han honom hon henne vi oss ni er dem sig min din sin sitt sina hans hennes vår
            deras denna detta dessa kan kunde ska skulle vill ville måste än
            """,
        "tamil": """
            ஒரு இந்த அந்த என்று என்ற என மற்றும் அல்லது ஆனால் உள்ள இருந்து இருந்தது உள்ளது ஆகும் ஆக இல்லை நான் நாம் நீ
            நீங்கள் அவர் அவள் அவன் அது இது அவர்கள் யார் என்ன எங்கே எப்போது எப்படி ஏன் மீது கொண்டு பின்னர் போது வரை
            """,
        "turkish": """
            ve veya ya da de ile için gibi kadar göre sonra önce üzerinde altında arasında ama fakat ancak çünkü eğer
            ki bir bu şu o bunlar şunlar onlar ben sen biz siz beni seni onu bana sana ona benim senin onun bizim
            sizin onların ne kim nerede nasıl neden niçin hangi kaç mi mı mu mü değil var yok olan olarak oldu olur
            daha çok en her hiç
            """,
        "yiddish": """
            און אין די דער דאָס דעם א אַן פון צו מיט אויף פאר ביי נאָך אָבער אָדער אַז איז זענען זיינען געווען האָט
            האָבן ניט נישט איך דו ער זי עס מיר איר זיי וואָס ווער ווי וואו ווען פארוואס אויך נאָר
            """,
    }.items()
}
