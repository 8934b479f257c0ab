"""Function words: they carry no topic, so they are left out of the postings. Lists of our own, short on purpose."""

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
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
            и в во на с со к ко о об у от до за из по под над при для без через между после перед про а но да или
            либо же ли бы не ни что чтобы как так если то это этот эта эти этого этой этих этом тот та те того той тех
            я меня мне мной ты тебя тебе он его ему им она её ее ей мы нас нам вы вас вам они их ими себя свой своя
            свои своего своей мой моя наш наша ваш кто кого кому который которая которое которые которого которой
            которых где когда куда почему зачем какой какая какие чем был была было были быть есть будет будут может
            могут тоже также уже ещё еще только очень там тут здесь
            """,
    }.items()
}
