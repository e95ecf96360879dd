-- Who is leaving, in which way and why: what customers bought in the window of
-- churn_window_days up to as_of against the window before it.
with churn_positions as (
    select * from intermediate.churn_positions
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

complaint_days as (
    select * from intermediate.complaint_days
),

survey_responses as (
    select * from intermediate.survey_responses
),

customer_value as (
    select * from marts.customer_value
),

churn_reasons as (
    select * from seeds.churn_reasons
),

categorized as (
    select * from churn_positions where cut_on = $as_of
),

leaving as (
    select * from categorized where category <> 'none'
),

-- What they said when they left: the newest exit survey since they last bought.
exit_texts as (
    select
        leaving.customer_id,
        first_value(
            survey_responses.reason
            order by
                survey_responses.responded_at desc, survey_responses.survey_id
        ) as reason_text
    from leaving
    inner join survey_responses
        on
            leaving.customer_id = survey_responses.customer_id
            and leaving.last_purchase_on <= survey_responses.day
    where survey_responses.kind = 'exit'
    group by leaving.customer_id
),

-- Case and blanks do not matter.
known_reasons as (
    select
        regexp_replace(lower(text), '\s+', '', 'g') as text_key,
        min(reason) as reason
    from churn_reasons
    group by regexp_replace(lower(text), '\s+', '', 'g')
),

stated_reasons as (
    select
        exit_texts.customer_id,
        coalesce(known_reasons.reason, 'other') as reason
    from exit_texts
    left join known_reasons
        on
            regexp_replace(lower(exit_texts.reason_text), '\s+', '', 'g')
            = known_reasons.text_key
),

-- Signs of anger in the window up to the last purchase day, or after it.
signs_of_anger as (
    select
        customer_id,
        max(day) as day
    from survey_responses
    where
        (kind = 'csat' and score <= 2)
        or (kind = 'nps' and score <= 6)
    group by customer_id
    union all
    select
        customer_id,
        max(day) as day
    from complaint_days
    group by customer_id
),

dissatisfied as (
    select leaving.customer_id
    from leaving
    inner join signs_of_anger
        on leaving.customer_id = signs_of_anger.customer_id
    where
        signs_of_anger.day
        > add_days(leaving.last_purchase_on, -$churn_window_days)
    group by leaving.customer_id
),

-- Who heard from us: in the days after their last purchase if they are gone,
-- in the window now if they still buy. (Someone who has not bought in the
-- window now has had those days: they have passed.)
contacted as (
    select leaving.customer_id
    from leaving
    inner join customer_interactions
        on leaving.customer_id = customer_interactions.customer_id
    where
        customer_interactions.is_outbound
        and case
            when leaving.category = 'account'
                then
                    customer_interactions.day >= leaving.last_purchase_on
                    and customer_interactions.day
                    <= add_days(leaving.last_purchase_on, $churn_window_days)
            else
                customer_interactions.day
                > add_days($as_of, -$churn_window_days)
        end
    group by leaving.customer_id
),

final as (
    select
        categorized.customer_id,
        categorized.category,
        categorized.has_bought_before and categorized.category <> 'none'
            as is_new_churn,
        categorized.products_before,
        categorized.products_now,
        categorized.revenue_before,
        categorized.revenue_now,
        case
            when categorized.category = 'none' then cast(0 as decimal(18, 2))
            else
                greatest(
                    cast(
                        categorized.revenue_before - categorized.revenue_now
                        as decimal(18, 2)
                    ),
                    cast(0 as decimal(18, 2))
                )
        end as revenue_lost,
        categorized.last_purchase_on,
        customer_value.p_alive,
        case
            when categorized.category = 'none' then null
            when stated_reasons.customer_id is not null
                then stated_reasons.reason
            when dissatisfied.customer_id is not null then 'dissatisfaction'
            when contacted.customer_id is null then 'unappreciated'
            else 'unknown'
        end as reason,
        case
            when categorized.category = 'none' then null
            when stated_reasons.customer_id is not null then 'stated'
            when
                dissatisfied.customer_id is not null
                or contacted.customer_id is null
                then 'inferred'
            else 'unknown'
        end as reason_source,
        categorized.has_bought_before
    from categorized
    left join customer_value
        on categorized.customer_id = customer_value.customer_id
    left join stated_reasons
        on categorized.customer_id = stated_reasons.customer_id
    left join dissatisfied
        on categorized.customer_id = dissatisfied.customer_id
    left join contacted on categorized.customer_id = contacted.customer_id
)

select * from final
